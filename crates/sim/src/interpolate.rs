//! Piecewise linear functions of integers: the form that measured distributions have here.

/// Returns the value of a piecewise linear table at `at`; beyond an end, the value at that end.
///
/// A table has at least two points, in ascending order.
pub(crate) fn interpolate(table: &[(u64, u64)], at: u64) -> u64 {
    let upper = table.partition_point(|&(x, _)| x <= at).clamp(1, table.len() - 1);
    let ((x0, y0), (x1, y1)) = (table[upper - 1], table[upper]);
    let at = at.clamp(x0, x1);
    y0 + (y1 - y0) * (at - x0) / (x1 - x0)
}
