//! A door for the benchmarks to what a scan does with one page.

use jiff::Timestamp;

use crate::{
    index::ImageIndex,
    slim::{self, Pod},
    symptoms,
};

/// Reads a page of a pod list as a scan does. Gives how many pods it holds and how many of their
/// containers wait for an image; none where it is no such page.
pub fn read_page(page: &[u8], observed: Timestamp) -> Option<(usize, usize)> {
    let (mut pods, mut stuck) = (0, 0);
    let mut index = ImageIndex::default();
    slim::walk(page, |pod: Pod<'_>| {
        let reading = symptoms::read(&pod, observed);
        symptoms::tally(&pod, &reading.drafts, &mut index);
        pods += 1;
        stuck += reading.drafts.len();
    })
    .ok()?;
    Some((pods, stuck))
}
