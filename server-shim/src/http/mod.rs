//! From a request to a typed call to a response. Knows HTTP, knows no engine.

pub mod accept;
pub mod checkpoints;
pub mod discovery;
pub mod error;
pub mod exposition;
pub mod gzip;
pub mod health;
pub mod invalid;
pub mod negotiate;
pub mod objects;
pub mod openapi;
pub mod params;
pub mod render;
pub mod response;
pub mod route;
pub mod service;
pub mod version;
