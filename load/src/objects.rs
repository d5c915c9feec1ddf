//! The objects that are written: of a chosen size, of random words, each with a number that gives its name, its
//! namespace and its node.

use std::fmt::Write as _;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::cli::{Resource, Shape};
use crate::stamp::ANNOTATION;

impl Resource {
    /// Its name in a path.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Configmaps => "configmaps",
            Self::Pods => "pods",
        }
    }

    /// The path of all objects, or of those of a namespace.
    pub(crate) fn collection(self, namespace: Option<&str>) -> String {
        let plural = self.plural();
        match namespace {
            Some(namespace) => format!("/api/v1/namespaces/{namespace}/{plural}"),
            None => format!("/api/v1/{plural}"),
        }
    }
}

/// The words that objects are filled with: more than compression looks back.
const TEXT_BYTES: usize = 4 << 20;

/// How many texts an object has at most: a pod's variables have one each.
const TEXTS_MAX: u64 = 1 << 16;

/// What an object in a list has beside what was sent: uid, creation timestamp and resource version, but no kind.
const ADDED_BYTES: usize = 90;

/// How long the value of a variable of a pod is.
const VARIABLE_BYTES: usize = 64;

/// The objects of a run.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    /// Their kind.
    pub(crate) resource: Resource,
    /// How many there are.
    pub(crate) count: u32,
    shape: Shape,
    text: Bytes,
}

impl Objects {
    /// So many objects.
    pub(crate) fn new(resource: Resource, count: u32, shape: Shape) -> Self {
        Self { resource, count, shape, text: words(shape.seed) }
    }

    /// The namespaces that they lie in.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = String> {
        (0..self.shape.namespaces.min(self.count)).map(|n| format!("bench-{n}"))
    }

    /// The namespace of an object.
    pub(crate) fn namespace(&self, n: u32) -> String {
        format!("bench-{}", n.checked_rem(self.shape.namespaces).unwrap_or_default())
    }

    /// The name of an object.
    pub(crate) fn name(n: u32) -> String {
        format!("bench-{n:06}")
    }

    /// The node of a pod.
    pub(crate) fn node(&self, n: u32) -> String {
        format!("node-{}", n.checked_rem(self.shape.nodes).unwrap_or_default())
    }

    /// The path under which an object is created.
    pub(crate) fn collection(&self, n: u32) -> String {
        self.resource.collection(Some(&self.namespace(n)))
    }

    /// The path of an object.
    pub(crate) fn path(&self, n: u32) -> String {
        format!("{}/{}", self.collection(n), Self::name(n))
    }

    /// An object as it is sent.
    pub(crate) fn body(&self, n: u32, stamp: &str) -> Bytes {
        self.named(n, &Self::name(n), stamp)
    }

    /// An object as it is sent, with another name than its number gives.
    pub(crate) fn named(&self, n: u32, name: &str, stamp: &str) -> Bytes {
        let wanted = self.shape.bytes.saturating_sub(ADDED_BYTES);
        let kind = match self.resource {
            Resource::Configmaps => "ConfigMap",
            Resource::Pods => "Pod",
        };
        let mut json = String::with_capacity(wanted + 512);
        // A string takes everything.
        _ = write!(
            json,
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{}\",\
             \"labels\":{{\"app\":\"app-{}\"}},\"annotations\":{{\"{ANNOTATION}\":\"{stamp}\"}}}},",
            self.namespace(n),
            n % 100
        );
        match self.resource {
            Resource::Configmaps => self.push_data(n, wanted, &mut json),
            Resource::Pods => self.push_spec(n, wanted, &mut json),
        }
        json.into()
    }

    fn push_data(&self, n: u32, wanted: usize, json: &mut String) {
        json.push_str("\"data\":{\"text\":\"");
        json.push_str(self.text(n, 0, wanted.saturating_sub(json.len() + 3)));
        json.push_str("\"}}");
    }

    /// A pod of one container, whose variables take the room that is left.
    fn push_spec(&self, n: u32, wanted: usize, json: &mut String) {
        let end = format!(
            "],\"resources\":{{\"limits\":{{\"cpu\":\"500m\",\"memory\":\"128Mi\"}},\"requests\":{{\"cpu\":\"100m\",\
             \"memory\":\"64Mi\"}}}},\"terminationMessagePath\":\"/dev/termination-log\",\
             \"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"IfNotPresent\"}}],\
             \"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\
             \"nodeName\":\"{}\",\"schedulerName\":\"default-scheduler\"}}}}",
            self.node(n)
        );
        json.push_str(
            "\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"registry.example/team/app:v1.2.3\",\
             \"ports\":[{\"containerPort\":8080,\"protocol\":\"TCP\"}],\"env\":[",
        );
        let room = wanted.saturating_sub(json.len() + end.len());
        let begun = json.len();
        for variable in 0.. {
            let head = format!("{{\"name\":\"SETTING_{variable}\",\"value\":\"");
            let left = room.saturating_sub(json.len() - begun + head.len() + 3);
            if left == 0 {
                break;
            }
            if variable > 0 {
                json.push(',');
            }
            json.push_str(&head);
            json.push_str(self.text(n, variable, left.min(VARIABLE_BYTES)));
            json.push_str("\"}");
        }
        json.push_str(&end);
    }

    /// So many letters of the words, from a place that looks chosen by chance: what lies side by side in a list has
    /// little in common, as a compressed list would otherwise be far smaller than real ones.
    fn text(&self, n: u32, part: u64, length: usize) -> &str {
        let length = length.min(TEXT_BYTES);
        let places = (TEXT_BYTES - length + 1) as u64;
        let place = mixed(u64::from(n) * TEXTS_MAX + part).checked_rem(places).unwrap_or_default();
        let start = usize::try_from(place).unwrap_or_default();
        let part = self.text.get(start..start + length).unwrap_or_default();
        std::str::from_utf8(part).unwrap_or_default()
    }
}

/// The finalizer of `SplitMix64`: neighbours become far apart.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// One byte in seven is a space.
const SPACES_BELOW: u8 = 37;

/// Random words of small letters with spaces between them.
fn words(seed: u64) -> Bytes {
    let mut text = vec![0; TEXT_BYTES];
    StdRng::seed_from_u64(seed).fill(text.as_mut_slice());
    for byte in &mut text {
        *byte = if *byte < SPACES_BELOW { b' ' } else { b'a' + *byte % 26 };
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::Value;

    use super::*;

    fn objects(resource: Resource, bytes: usize) -> Objects {
        Objects::new(resource, 100, Shape { bytes, namespaces: 10, nodes: 7, seed: 1 })
    }

    #[test]
    fn objects_are_as_large_as_asked_for_and_differ() {
        for (resource, bytes) in [(Resource::Configmaps, 1_600), (Resource::Pods, 8_100)] {
            let objects = objects(resource, bytes);
            let bodies: Vec<_> = (0..3).map(|n| objects.body(n, "r.0")).collect();
            for body in &bodies {
                serde_json::from_slice::<Value>(body).unwrap();
                let short = (bytes - ADDED_BYTES).checked_sub(body.len());
                assert!(short.is_some_and(|short| short < VARIABLE_BYTES), "{resource:?}: {}", body.len());
            }
            assert_ne!(bodies[0].slice(400..), bodies[1].slice(400..));
        }
    }

    /// The size of all of these, compressed together.
    fn compressed(bodies: &[Bytes]) -> usize {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bodies.concat()).unwrap();
        encoder.finish().unwrap().len()
    }

    #[test]
    fn what_lies_side_by_side_has_little_text_in_common() {
        for namespaces in [1, 10, 13, 1_000] {
            let shape = Shape { bytes: 1_600, namespaces, nodes: 7, seed: 1 };
            let objects = Objects::new(Resource::Configmaps, 100_000, shape);
            let bodies: Vec<_> = (0..50).map(|n| objects.body(n * namespaces, "r.0")).collect();
            let sent: usize = bodies.iter().map(Bytes::len).sum();
            assert!(compressed(&bodies) > sent * 2 / 5, "{namespaces}: {} of {sent}", compressed(&bodies));
        }
    }

    #[test]
    fn the_least_objects_are_whole() {
        for (resource, least) in [(Resource::Configmaps, 440), (Resource::Pods, 920)] {
            let body = objects(resource, 0).body(99, "16a0000000000000.18446744073709551615");
            serde_json::from_slice::<Value>(&body).unwrap();
            assert!(body.len() + ADDED_BYTES <= least, "{}", body.len() + ADDED_BYTES);
        }
    }

    #[test]
    fn the_number_gives_name_namespace_and_node() {
        let objects = objects(Resource::Pods, 1_000);
        let pod: Value = serde_json::from_slice(&objects.body(23, "r.5")).unwrap();
        assert_eq!(pod["metadata"]["name"], "bench-000023");
        assert_eq!(pod["metadata"]["namespace"], "bench-3");
        assert_eq!(pod["metadata"]["annotations"][ANNOTATION], "r.5");
        assert_eq!(pod["spec"]["nodeName"], "node-2");
        assert_eq!(objects.path(23), "/api/v1/namespaces/bench-3/pods/bench-000023");
    }
}
