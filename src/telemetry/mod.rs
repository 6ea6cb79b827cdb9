//! tmp
pub mod failpoint {
    pub fn hit(_: &'static str) {}
}
