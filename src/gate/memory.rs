//! The gate in process memory.
