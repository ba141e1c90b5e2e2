//! Carries the light examples; has no code of its own.
