//! A recording in pieces, as a driver or a pipe hands it over.

/// The samples in pieces of these sizes, over and over until all are given.
pub fn pieces<'a>(samples: &'a [i16], sizes: &'a [usize]) -> impl Iterator<Item = &'a [i16]> {
    let (mut rest, mut sizes) = (samples, sizes.iter().cycle());
    std::iter::from_fn(move || {
        let (now, later) = rest.split_at(sizes.next().copied()?.min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}
