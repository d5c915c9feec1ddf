//! The tables of services, and of the endpoints behind them.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME, SELECTOR};
use super::fields::Fields;
use super::format::{NONE, Shortened, UNKNOWN, UNSET, labels};

/// How many addresses or ports a cell has room for.
const SHOWN: usize = 3;

pub(super) static SERVICES: Table = Table {
    columns: &[
        NAME,
        Column::text("Type", "How the service is exposed."),
        Column::text("Cluster-IP", "Address within the cluster."),
        Column::text("External-IP", "Addresses from outside."),
        Column::text("Port(s)", "Ports, with those on the nodes."),
        AGE,
        SELECTOR.wide(),
    ],
    cells: |service, now| {
        cells![
            service.name(),
            kind(service),
            cluster_address(service),
            external_addresses(service),
            ports(service),
            age::since(service.created(), now),
            labels(service.at("spec.selector")),
        ]
    },
};

pub(super) static ENDPOINTS: Table = Table {
    columns: &[NAME, Column::text("Endpoints", "Addresses with their ports."), AGE],
    cells: |endpoints, now| {
        cells![endpoints.name(), sockets(endpoints), age::since(endpoints.created(), now)]
    },
};

pub(super) static ENDPOINT_SLICES: Table = Table {
    columns: &[
        NAME,
        Column::text("AddressType", "Type of the addresses."),
        Column::text("Ports", "Ports of every endpoint."),
        Column::text("Endpoints", "Addresses."),
        AGE,
    ],
    cells: |slice, now| {
        let addresses = slice.get("endpoints").items().flat_map(|endpoint| endpoint.get("addresses").texts());
        cells![
            slice.name(),
            slice.get("addressType").text(),
            Shortened::new(SHOWN).extend(slice.get("ports").items().map(slice_port)).finish(",", UNSET),
            Shortened::new(SHOWN).extend(addresses.map(str::to_owned)).finish(",", UNSET),
            age::since(slice.created(), now),
        ]
    },
};

/// The type; services that name none are of the first one.
fn kind(service: Fields<'_>) -> &str {
    service.at("spec.type").text_or("ClusterIP")
}

fn cluster_address(service: Fields<'_>) -> &str {
    let spec = service.get("spec");
    let first = spec.get("clusterIPs").texts().next().unwrap_or_default();
    if first.is_empty() { spec.get("clusterIP").text_or(NONE) } else { first }
}

fn external_addresses(service: Fields<'_>) -> String {
    let spec = service.get("spec");
    let own: Vec<_> = spec.get("externalIPs").texts().collect();
    let (addresses, none) = match kind(service) {
        "ClusterIP" | "NodePort" => (own, NONE),
        "LoadBalancer" => ([ingress_addresses(service), own].concat(), "<pending>"),
        "ExternalName" => return spec.get("externalName").text().to_owned(),
        _ => return UNKNOWN.to_owned(),
    };
    if addresses.is_empty() { none.to_owned() } else { addresses.join(",") }
}

/// Where a load balancer lets traffic in: addresses, or else host names, in their order.
pub(super) fn ingress_addresses(object: Fields<'_>) -> Vec<&str> {
    let ingress = object.at("status.loadBalancer.ingress").items();
    let mut addresses: Vec<_> = ingress
        .map(|point| point.get("ip").text_or(point.get("hostname").text()))
        .filter(|text| !text.is_empty())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn ports(service: Fields<'_>) -> String {
    let ports: Vec<_> = service.at("spec.ports").items().map(port).collect();
    if ports.is_empty() { NONE.to_owned() } else { ports.join(",") }
}

fn port(port: Fields<'_>) -> String {
    let (number, protocol) = (port.get("port").number(), port.get("protocol").text_or("TCP"));
    match port.get("nodePort").number() {
        node_port @ 1.. => format!("{number}:{node_port}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

fn slice_port(port: Fields<'_>) -> String {
    match port.get("port").present() {
        Some(number) => number.scalar(),
        None => port.get("name").text_or("*").to_owned(),
    }
}

/// Every address with every port of its subset.
fn sockets(endpoints: Fields<'_>) -> String {
    let mut shown = Shortened::new(SHOWN);
    for subset in endpoints.get("subsets").items() {
        let addresses = || subset.get("addresses").items().map(|address| address.get("ip").text());
        let ports = subset.get("ports").items();
        if ports.len() == 0 {
            addresses().for_each(|address| shown.push(|| address.to_owned()));
        }
        for port in ports {
            addresses().for_each(|address| shown.push(|| socket(address, port.get("port").number())));
        }
    }
    shown.finish(",", NONE)
}

fn socket(address: &str, port: i64) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_service_shows_its_ports_with_those_on_the_nodes() {
        let service = json!({"spec": {
            "type": "NodePort", "clusterIP": "10.0.0.203", "clusterIPs": ["10.0.0.203"], "selector": {"a": "b"},
            "ports": [
                {"port": 80, "nodePort": 32679, "protocol": "TCP"},
                {"port": 53, "nodePort": 30053, "protocol": "UDP"},
                {"port": 9},
            ],
        }});
        assert_eq!(
            row(&SERVICES, service),
            json!(["a", "NodePort", "10.0.0.203", "<none>", "80:32679/TCP,53:30053/UDP,9/TCP", "42m", "a=b"])
        );
    }

    #[test]
    fn external_addresses_follow_the_type() {
        let ingress = json!({"ingress": [{"hostname": "lb"}, {"ip": "192.0.2.7"}, {"ip": "192.0.2.7", "hostname": "x"}]});
        for (spec, ingress, shown) in [
            (
                json!({"type": "ClusterIP", "externalIPs": ["1.1.1.1", "2.2.2.2"]}),
                json!({}),
                "1.1.1.1,2.2.2.2",
            ),
            (json!({"type": "ClusterIP"}), ingress.clone(), "<none>"),
            (json!({"type": "LoadBalancer"}), json!({}), "<pending>"),
            (json!({"type": "LoadBalancer"}), ingress.clone(), "192.0.2.7,lb"),
            (json!({"type": "LoadBalancer", "externalIPs": ["1.1.1.1"]}), json!({}), "1.1.1.1"),
            (json!({"type": "LoadBalancer", "externalIPs": ["1.1.1.1"]}), ingress, "192.0.2.7,lb,1.1.1.1"),
            (json!({"type": "ExternalName", "externalName": "db.example.com"}), json!({}), "db.example.com"),
            (json!({}), json!({}), "<none>"),
            (json!({"type": "Other"}), json!({}), "<unknown>"),
        ] {
            let service = json!({"spec": spec, "status": {"loadBalancer": ingress}});
            assert_eq!(row(&SERVICES, service)[3], shown, "{spec}");
        }
    }

    #[test]
    fn a_service_without_address_ports_and_selector_shows_none() {
        let service = json!({"spec": {"type": "ClusterIP", "clusterIP": "None"}});
        assert_eq!(
            row(&SERVICES, service),
            json!(["a", "ClusterIP", "None", "<none>", "<none>", "42m", "<none>"])
        );
        assert_eq!(row(&SERVICES, json!({"spec": {"type": "ExternalName"}}))[2], "<none>");
    }

    #[test]
    fn endpoints_are_every_address_with_every_port() {
        for (subsets, shown) in [
            (json!(null), "<none>"),
            (json!([{"addresses": [{"ip": "10.0.0.1"}]}]), "10.0.0.1"),
            (
                json!([{"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}]}]),
                "10.0.0.1:80,[fd00::1]:80",
            ),
            (
                json!([
                    {"addresses": [{"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}], "ports": [{"port": 1}, {"port": 2}]},
                    {"addresses": [{"ip": "3.3.3.3"}], "ports": [{"port": 3}]},
                ]),
                "1.1.1.1:1,2.2.2.2:1,1.1.1.1:2 + 2 more...",
            ),
            (json!([{"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]), "<none>"),
        ] {
            assert_eq!(row(&ENDPOINTS, json!({"subsets": subsets})), json!(["a", shown, "42m"]));
        }
    }

    #[test]
    fn a_slice_shows_ports_and_addresses() {
        let slice = json!({
            "addressType": "IPv4",
            "ports": [{"port": 80, "name": "http"}, {"name": "any"}, {}],
            "endpoints": [{"addresses": ["1.1.1.1", "2.2.2.2"]}, {"addresses": ["3.3.3.3", "4.4.4.4"]}],
        });
        assert_eq!(
            row(&ENDPOINT_SLICES, slice),
            json!(["a", "IPv4", "80,any,*", "1.1.1.1,2.2.2.2,3.3.3.3 + 1 more...", "42m"])
        );
        assert_eq!(
            row(&ENDPOINT_SLICES, json!({"addressType": "FQDN"})),
            json!(["a", "FQDN", "<unset>", "<unset>", "42m"])
        );
    }
}
