//! Compares whole books with the exchange's true books.

use level2::{Book, Level};
use level2_sim::TrueBook;
use rust_decimal::Decimal;

use super::testbed::{PRODUCTS, Testbed};

/// The names of the sides, in their order in [`Sides`].
const SIDE_NAMES: [&str; 2] = ["bids", "asks"];

/// Prices and sizes of both sides of a book, bids first, best first.
type Sides = [Vec<(Decimal, Decimal)>; 2];

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) books: u64,
    pub(super) levels: u64,
}

/// Compares every book with the exchange's, level by level. The markets must stand still.
pub(super) fn compare_books(testbed: &Testbed) -> Result<Compared, String> {
    let mut compared = Compared::default();
    for group in &testbed.groups {
        for product in PRODUCTS {
            let truth = testbed
                .server
                .with_exchange(|exchange| exchange.true_book(product).map(sides_of_truth));
            let truth = truth.ok_or_else(|| format!("the exchange has no {product}"))?;
            let book = group.books.read(product, sides_of_book);
            let book = book.map_err(|error| format!("{product} ({}): {error}", group.name))?;
            for (name, (ours, theirs)) in SIDE_NAMES.into_iter().zip(book.iter().zip(&truth)) {
                check_side(ours, theirs)
                    .map_err(|at| format!("{name} of {product} ({}): {at}", group.name))?;
                compared.levels += ours.len() as u64;
            }
            compared.books += 1;
        }
    }
    Ok(compared)
}

/// Compares a side of a book. The error is the first difference.
fn check_side(ours: &[(Decimal, Decimal)], theirs: &[(Decimal, Decimal)]) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let rank = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    Err(format!(
        "the level at rank {rank} is {:?}, and {:?} at the exchange",
        ours.get(rank),
        theirs.get(rank)
    ))
}

fn sides_of_truth(book: &TrueBook) -> Sides {
    [book.bids(), book.asks()]
}

fn sides_of_book(book: &Book) -> Sides {
    let pair = |level: Level| (level.price, level.size);
    [book.bids().map(pair).collect(), book.asks().map(pair).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_reported() {
        let level = |price: i64| (Decimal::from(price), Decimal::ONE);
        let (ours, theirs) = ([level(3), level(2)], [level(3), level(1)]);
        assert_eq!(check_side(&ours, &ours), Ok(()));
        assert!(check_side(&ours, &theirs).unwrap_err().contains("rank 1 is Some((2, 1))"));
        assert!(check_side(&ours, &ours[..1]).unwrap_err().contains("None at the exchange"));
    }
}
