//! Reads anything as a layer: plain, gzip or zstd, with an archive in it. Whatever it is, it has
//! the digest and the size that are stated, so that its content is what is judged.
//!
//! `cargo +nightly fuzz run layer fuzz/corpus/layer fuzz/seeds/layer`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::{door::check_layer, judge::Problem};

/// Most bytes that a layer may unpack to here.
const MOST: u64 = 4 << 20;

fuzz_target!(|input: &[u8]| {
    let tar = "application/vnd.oci.image.layer.v1.tar";
    for media_type in [tar.to_owned(), format!("{tar}+gzip"), format!("{tar}+zstd")] {
        let whole = check_layer(input, &media_type, 0, input.len(), MOST);
        assert_eq!(whole.read, input.len() as u64);
        assert!(
            whole.unpacked <= MOST + (128 << 10),
            "{} bytes",
            whole.unpacked
        );
        assert!(
            !whole
                .detail
                .iter()
                .any(|text| text.chars().any(char::is_control))
        );
        let pieces = check_layer(input, &media_type, 0, 511, MOST);
        // Bytes are unpacked 128 KiB at a time: what breaks that close to the bound may be told
        // either way.
        let is_at_bound = [&whole, &pieces]
            .iter()
            .any(|read| read.problem == Some(Problem::LayerTooLarge))
            && [&whole, &pieces]
                .iter()
                .all(|read| read.unpacked + (128 << 10) >= MOST);
        assert!(
            pieces.problem == whole.problem || is_at_bound,
            "pieces do not matter: {:?}, {:?}",
            whole.problem,
            pieces.problem
        );
        if matches!(whole.problem, None | Some(Problem::LayerArchive)) {
            assert_eq!(pieces, whole);
        }
        // Where the size is not the stated one, that is what is wrong.
        let cut = check_layer(input, &media_type, 1, 1000, MOST);
        assert_eq!(cut.problem, Some(Problem::LayerSize));
    }
});
