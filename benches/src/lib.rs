//! Measurements: see `benches/`.
