//! The countries' files, in the binary.

pub(super) const FILES: &[(&str, &str)] = &[
    ("de", include_str!("../data/countries/de.toml")),
    ("gb", include_str!("../data/countries/gb.toml")),
    ("itu", include_str!("../data/countries/itu.toml")),
    ("se", include_str!("../data/countries/se.toml")),
    ("us", include_str!("../data/countries/us.toml")),
];
