//! The stand-ins as a client sees them, by plain HTTP.

mod agree;
mod five9;
mod five9_statistics;
mod genesys_cloud;
mod genesys_cloud_agree;
mod genesys_cloud_socket;
mod genesys_cloud_users;
mod program;
mod support;
mod vonage;
