//! Several members that agree by majority.

use serde_json::json;

use super::member::{Deadline, LOOK_PAUSE, Member, free_ports};
use super::{Etcd, EtcdError, on_free_ports};
use crate::http::send;
use crate::load::pause;

/// Long enough for members that share few cores, and a leader that dies is replaced in a second.
const TIMING: [&str; 2] = ["--heartbeat-interval=50", "--election-timeout=500"];

/// A cluster. Dropping it ends its members.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Etcd>,
}

impl Cluster {
    /// Starts one of so many members that holds nothing, and waits until all of them serve.
    ///
    /// # Errors
    /// [`EtcdError`]: there is no etcd, or one does not serve.
    pub fn start(count: usize) -> Result<Self, EtcdError> {
        on_free_ports(|| {
            let ports = free_ports(2 * count)?;
            let (clients, peers) = ports.split_at(count);
            let mut members = members(clients, peers)?;
            for member in &mut members {
                member.launch()?;
            }
            members.iter().try_for_each(Member::wait_until_it_serves)?;
            Ok(Self { members: members.into_iter().map(Etcd).collect() })
        })
    }

    /// Where clients find its members.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.url().to_owned()).collect()
    }

    /// Its members.
    pub fn members(&mut self) -> &mut [Etcd] {
        &mut self.members
    }

    /// The place among the members of the one that leads, once there is one.
    ///
    /// # Errors
    /// When there is none for long.
    pub fn leader(&self) -> Result<usize, EtcdError> {
        let deadline = Deadline::new();
        loop {
            if let Some(leader) = self.members.iter().position(leads) {
                return Ok(leader);
            }
            if deadline.is_over() {
                return Err(std::io::Error::other("the cluster has no leader").into());
            }
            pause(LOOK_PAUSE);
        }
    }
}

/// Whether a member says that it is the leader.
fn leads(member: &Etcd) -> bool {
    let address = format!("127.0.0.1:{}", member.port());
    let Ok(answer) = send(&address, "POST", "/v3/maintenance/status", Some(&json!({}))) else { return false };
    let Ok(status) = answer.json() else { return false };
    let own = status.pointer("/header/member_id");
    own.is_some() && own == status.get("leader")
}

/// Members that know each other, and are not started yet.
fn members(clients: &[u16], peers: &[u16]) -> Result<Vec<Member>, EtcdError> {
    let url = |port: &u16| format!("http://127.0.0.1:{port}");
    let name = |port: &u16| format!("etcd-{port}");
    let all: Vec<_> = peers.iter().map(|port| format!("{}={}", name(port), url(port))).collect();
    let cluster = format!("--initial-cluster={}", all.join(","));
    // Members of an earlier cluster on these ports are strangers.
    let token = format!("--initial-cluster-token={}-{}", std::process::id(), all.join(","));
    let member = |(client, peer): (&u16, &u16)| {
        let own = [format!("--name={}", name(peer)), cluster.clone(), token.clone()];
        let flags: Vec<_> = TIMING.map(str::to_owned).into_iter().chain(own).collect();
        Member::new(url(client), &url(peer), &flags)
    };
    clients.iter().zip(peers).map(member).collect()
}
