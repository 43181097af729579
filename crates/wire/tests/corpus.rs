//! Replays the corpora of the fuzz targets.

use std::path::Path;

use phony_wire::fuzzing;

#[test]
fn every_input_of_every_corpus_is_survived() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, body) in fuzzing::TARGETS {
        let folder = corpora.join(name);
        let entries = std::fs::read_dir(&folder).expect("every target has a corpus");
        let mut seen = 0;
        for entry in entries {
            let path = entry.expect("the corpus can be read").path();
            body(&std::fs::read(&path).expect("an input can be read"));
            seen += 1;
        }
        assert!(seen > 0, "the corpus of {name} is empty");
    }
}
