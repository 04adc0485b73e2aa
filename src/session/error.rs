//! What can be wrong with a product that a session is asked for.

use std::fmt;

use crate::wire::ProductId;

/// More products were requested than a session may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyProducts {
    /// The product that there is no room for.
    pub product: ProductId,
    /// The bound, [`SessionConfig::max_products`](super::SessionConfig::max_products).
    pub max_products: usize,
}

impl fmt::Display for TooManyProducts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, max_products } = self;
        write!(f, "expected at most max_products ({max_products}) products, got {product} too")
    }
}

impl std::error::Error for TooManyProducts {}

/// A product that is not subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownProduct {
    /// The name that was looked up.
    pub product: Box<str>,
}

impl UnknownProduct {
    /// Returns the error for this name.
    pub(crate) fn new(product: &str) -> Self {
        Self { product: product.into() }
    }
}

impl fmt::Display for UnknownProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not subscribed to: ", self.product)?;
        match ProductId::new(&self.product) {
            Ok(_) => f.write_str("subscribe to it first"),
            Err(error) => match error.suggestion() {
                Some(meant) => write!(f, "did you mean {meant}?"),
                None => f.write_str("it is not the name of a product"),
            },
        }
    }
}

impl std::error::Error for UnknownProduct {}
