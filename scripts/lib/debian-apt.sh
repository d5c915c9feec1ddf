# Sourced: fetches a package of another Debian suite without touching the machine's apt state, and
# without root. The mirror and the keyring are those that the machine's own apt sources name, and apt
# checks the signatures as ever.
# shellcheck shell=bash

# Prints `mirror keyring` (keyring may be absent) of the machine's own Debian suite.
debian_source() {
    local codename
    codename=$(. /etc/os-release && [[ ${ID:-} == debian ]] && echo "${VERSION_CODENAME:-}") || return 1
    [[ -n $codename ]] || return 1
    {
        apt_source_files '*.sources' | deb822_sources "$codename"
        apt_source_files '*.list' | one_line_sources "$codename"
    } | awk 'NR == 1'
}

# Prints the files of apt sources with a name like $1, each followed by an empty line.
apt_source_files() {
    find /etc/apt/sources.list /etc/apt/sources.list.d -maxdepth 1 -name "$1" -type f \
        -exec cat {} \; -exec echo \; 2>/dev/null || true
}

# Stanzas of `Field: value` lines, parted by blank lines.
deb822_sources() {
    awk -v suite="$1" '
        function flush() {
            if ((" " types " ") ~ / deb / && (" " suites " ") ~ (" " suite " ") && enabled != "no") {
                print uri, keyring
            }
            types = suites = uri = keyring = enabled = ""
        }
        /^#/ { next }
        /^[ \t]*$/ { flush(); next }
        { field = tolower($1) }
        field == "types:" { $1 = ""; types = $0 }
        field == "suites:" { $1 = ""; suites = $0 }
        field == "uris:" { uri = $2 }
        field == "enabled:" { enabled = tolower($2) }
        field == "signed-by:" && $2 ~ /^\// { keyring = $2 }
        END { flush() }'
}

# Lines of `deb [option=value …] uri suite component …`.
one_line_sources() {
    awk -v suite="$1" '
        $1 == "deb" {
            keyring = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART + 1, RLENGTH - 2)
                sub(/\[[^]]*\]/, "")
                if (match(options, /signed-by=[^ ]+/)) keyring = substr(options, RSTART + 10, RLENGTH - 10)
            }
            if ($3 == suite) print $2, keyring
        }'
}

# Downloads PACKAGE of SUITE and unpacks it, whole or not at all, as FOLDER.
debian_fetch() {
    local suite=$1 package=$2 folder=$3 source mirror keyring work
    if ! have apt-get || ! have dpkg-deb; then
        say "no apt here"
        return 1
    fi
    source=$(debian_source) || source=
    read -r mirror keyring <<<"$source" || true
    if [[ -z $mirror ]]; then
        say "no Debian mirror in the machine's apt sources"
        return 1
    fi

    work=$(mktemp -d -p "$(dirname "$folder")" apt.XXXXXX)
    mkdir -p "$work"/{state/lists/partial,cache/archives/partial,parts,unpacked}
    touch "$work/status"
    printf 'deb %s%s %s main\n' "${keyring:+[signed-by=$keyring] }" "$mirror" "$suite" >"$work/sources.list"

    local -a options=(
        -q
        -o "Dir::State=$work/state" -o "Dir::State::status=$work/status"
        -o "Dir::Cache=$work/cache"
        -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -o "Acquire::http::Timeout=30" -o "Acquire::https::Timeout=30"
        -o "APT::Update::Error-Mode=any"
    )
    # Root hands downloads to a user who cannot write into a private folder.
    if [[ $(id -u) -eq 0 ]]; then options+=(-o APT::Sandbox::User=root); fi

    if retry apt-get "${options[@]}" update >&2 &&
        (cd "$work" && retry apt-get "${options[@]}" download "$package" >&2) &&
        dpkg-deb -x "$work"/"$package"_*.deb "$work/unpacked"; then
        rm -rf "$folder"
        mv "$work/unpacked" "$folder"
    fi
    rm -rf "$work"
    [[ -d $folder ]]
}
