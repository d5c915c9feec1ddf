//! Helpers of the end-to-end tests: the real kubectls, the built server, and child processes that end
//! with the test that started them.
//!
//! Nothing here waits without a deadline, and nothing waits by sleeping.

pub mod chance;
pub mod etcd;
pub mod fixture;
pub mod http;
pub mod known;
pub mod kubectl;
pub mod load;
pub mod power;
pub mod process;
pub mod scope;
pub mod server;
pub mod soak;
pub mod tmpfs;
