//! The stand-ins as a client sees them, by plain HTTP.

mod agree;
mod five9;
mod five9_statistics;
mod program;
mod support;
mod vonage;
