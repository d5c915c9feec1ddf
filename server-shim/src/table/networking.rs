//! The tables of the group `networking.k8s.io`.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{NONE, Shortened, path, selector};
use super::services::ingress_addresses;

/// How many hosts a cell has room for.
const HOSTS_SHOWN: usize = 3;

pub(super) fn table(plural: &str) -> Option<&'static Table> {
    Some(match plural {
        "ingressclasses" => &INGRESS_CLASSES,
        "ingresses" => &INGRESSES,
        "ipaddresses" => &ADDRESSES,
        "networkpolicies" => &POLICIES,
        "servicecidrs" => &SERVICE_RANGES,
        _ => return None,
    })
}

static INGRESSES: Table = Table {
    columns: &[
        NAME,
        Column::text("Class", "Class of the ingress."),
        Column::text("Hosts", "Hosts that it serves."),
        Column::text("Address", "Addresses from outside."),
        Column::text("Ports", "Ports that it serves."),
        AGE,
    ],
    cells: |ingress, now| {
        let has_tls = ingress.at("spec.tls").len() > 0;
        cells![
            ingress.name(),
            ingress.at("spec.ingressClassName").text_or(NONE),
            hosts(ingress),
            ingress_addresses(ingress).join(","),
            if has_tls { "80, 443" } else { "80" },
            age::since(ingress.created(), now),
        ]
    },
};

static INGRESS_CLASSES: Table = Table {
    columns: &[
        NAME,
        Column::text("Controller", "Controller that serves the class."),
        Column::text("Parameters", "Object with the configuration."),
        AGE,
    ],
    cells: |class, now| {
        cells![
            class.name(),
            class.at("spec.controller").text(),
            parameters(class),
            age::since(class.created(), now)
        ]
    },
};

static ADDRESSES: Table = Table {
    columns: &[NAME, Column::text("ParentRef", "Object that holds the address.")],
    cells: |address, _| cells![address.name(), parent(address.at("spec.parentRef"))],
};

static POLICIES: Table = Table {
    columns: &[NAME, Column::text("Pod-Selector", "Labels of the pods it applies to."), AGE],
    cells: |policy, now| {
        cells![policy.name(), selector(policy.at("spec.podSelector")), age::since(policy.created(), now)]
    },
};

static SERVICE_RANGES: Table = Table {
    columns: &[NAME, Column::text("CIDRs", "Ranges of addresses."), AGE],
    cells: |range, now| {
        let ranges: Vec<_> = range.at("spec.cidrs").texts().collect();
        cells![range.name(), ranges.join(","), age::since(range.created(), now)]
    },
};

fn hosts(ingress: Fields<'_>) -> String {
    let hosts = ingress.at("spec.rules").items().map(|rule| rule.get("host").text());
    let hosts = hosts.filter(|host| !host.is_empty()).map(str::to_owned);
    Shortened::new(HOSTS_SHOWN).extend(hosts).finish(",", "*")
}

fn parameters(class: Fields<'_>) -> String {
    let Some(reference) = class.at("spec.parameters").present() else {
        return NONE.to_owned();
    };
    let (kind, name) = (reference.get("kind").text(), reference.get("name").text());
    match reference.get("apiGroup").text() {
        "" => format!("{kind}/{name}"),
        group => format!("{kind}.{group}/{name}"),
    }
}

fn parent(reference: Fields<'_>) -> String {
    if !reference.is_present() {
        return NONE.to_owned();
    }
    let resource = reference.get("resource").text();
    let name = path(reference.get("namespace").text(), reference.get("name").text());
    match reference.get("group").text() {
        "" => format!("{resource}/{name}"),
        group => format!("{resource}.{group}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn an_ingress_shows_hosts_and_addresses() {
        let ingress = json!({
            "spec": {"ingressClassName": "nginx", "tls": [{}], "rules": [
                {"host": "a.example.com"}, {}, {"host": "b.example.com"}, {"host": "c"}, {"host": "d"},
            ]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "192.0.2.1"}]}},
        });
        assert_eq!(
            row(&INGRESSES, ingress),
            json!([
                "a",
                "nginx",
                "a.example.com,b.example.com,c + 1 more...",
                "192.0.2.1,192.0.2.2",
                "80, 443",
                "42m"
            ])
        );
        assert_eq!(
            row(&INGRESSES, json!({"spec": {"rules": [{}]}})),
            json!(["a", "<none>", "*", "", "80", "42m"])
        );
    }

    #[test]
    fn references_are_shown_with_their_group() {
        let class = json!({"spec": {"controller": "example.com/c", "parameters": {
            "apiGroup": "k.example.com", "kind": "Settings", "name": "s",
        }}});
        assert_eq!(
            row(&INGRESS_CLASSES, class),
            json!(["a", "example.com/c", "Settings.k.example.com/s", "42m"])
        );
        let class = json!({"spec": {"controller": "c", "parameters": {"kind": "ConfigMap", "name": "s"}}});
        assert_eq!(row(&INGRESS_CLASSES, class), json!(["a", "c", "ConfigMap/s", "42m"]));
        let class = json!({"spec": {"controller": "c"}});
        assert_eq!(row(&INGRESS_CLASSES, class), json!(["a", "c", "<none>", "42m"]));

        let address =
            json!({"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "s"}}});
        assert_eq!(row(&ADDRESSES, address), json!(["a", "services/default/s"]));
        let address = json!({"spec": {"parentRef": {"group": "g.io", "resource": "gateways", "name": "s"}}});
        assert_eq!(row(&ADDRESSES, address), json!(["a", "gateways.g.io/s"]));
    }

    #[test]
    fn policies_and_ranges_show_what_they_cover() {
        let policy = json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}});
        assert_eq!(row(&POLICIES, policy), json!(["a", "a=b", "42m"]));
        let range = json!({"spec": {"cidrs": ["10.0.0.0/16", "fd00::/112"]}});
        assert_eq!(row(&SERVICE_RANGES, range), json!(["a", "10.0.0.0/16,fd00::/112", "42m"]));
    }
}
