//! How a type is called in each place: in the crates (`api::core::v1::Pod`), in the published schema
//! (`io.k8s.api.core.v1.Pod`), in the files of facts (`core/v1.Pod`) and as a static (`CORE_V1_POD`).

/// The name of the definition in the published schema.
pub(crate) fn schema_name(name: &str) -> String {
    format!("io.k8s.{}", name.replace("::", "."))
}

/// The name in the files of facts: group, version and type.
pub(crate) fn fact_name(name: &str) -> String {
    let mut parts = name.rsplitn(4, "::");
    let (ty, version, group) = (parts.next(), parts.next(), parts.next());
    format!("{}/{}.{}", group.unwrap_or_default(), version.unwrap_or_default(), ty.unwrap_or_default())
}

/// The name of the static.
pub(crate) fn static_name(name: &str) -> String {
    let mut parts = name.rsplitn(4, "::");
    let (ty, version, group) = (parts.next(), parts.next(), parts.next());
    let ty = screaming(ty.unwrap_or_default());
    format!("{}_{}_{ty}", group.unwrap_or_default(), version.unwrap_or_default()).to_uppercase()
}

/// `CSIVolumeSource` as `CSI_VOLUME_SOURCE`: a word begins at a capital that follows a small letter or a
/// digit, and at the last of several capitals when a small letter follows it.
pub(crate) fn screaming(camel: &str) -> String {
    let letters: Vec<char> = camel.chars().collect();
    let mut name = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|before| letters.get(before));
        let next = letters.get(index + 1);
        let follows_word = previous.is_some_and(|previous| !previous.is_uppercase());
        let ends_capitals = previous.is_some() && next.is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (follows_word || ends_capitals) {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{fact_name, schema_name, screaming, static_name};

    #[test]
    fn abbreviations_stay_together() {
        assert_eq!(screaming("PodSpec"), "POD_SPEC");
        assert_eq!(screaming("CSIVolumeSource"), "CSI_VOLUME_SOURCE");
        assert_eq!(screaming("ServiceCIDR"), "SERVICE_CIDR");
        assert_eq!(screaming("ISCSIVolumeSource"), "ISCSI_VOLUME_SOURCE");
    }

    #[test]
    fn a_type_has_a_name_in_every_place() {
        let name = "apimachinery::pkg::apis::meta::v1::ObjectMeta";
        assert_eq!(schema_name(name), "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
        assert_eq!(fact_name(name), "meta/v1.ObjectMeta");
        assert_eq!(static_name(name), "META_V1_OBJECT_META");
    }
}
