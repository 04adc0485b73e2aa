//! The mid as a floating-point number, for statistics.

use super::quote::Bbo;
use crate::units::nearest_float;

impl Bbo {
    /// Returns the floating-point number that is nearest to [`Bbo::mid`].
    ///
    /// Allocates if the mid has more than 15 digits.
    #[must_use]
    pub fn mid_f64(&self) -> Option<f64> {
        self.mid().map(nearest_float)
    }
}
