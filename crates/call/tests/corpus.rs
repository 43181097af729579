//! Replays the corpora of the fuzz targets as ordinary tests.

#[test]
fn the_command_scanner_survives_its_corpus() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/command_scanner");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("the corpus can be listed").path();
        phony_call::fuzzing::command_scanner(&std::fs::read(path).expect("a file can be read"));
        replayed += 1;
    }
    assert!(replayed >= 8, "only {replayed} files were found");
}
