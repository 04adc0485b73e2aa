//! The command `level2`.

fn main() {}
