//! A ledger that is whole, torn, cut, changed, and out of room.

use super::*;

fn now() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn entry(to: &str) -> Entry {
    Entry { to: to.into(), ..Entry::new(now(), EntryKind::Placed, "token:0011aabb") }
}

async fn ledger(count: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), now()).unwrap();
    for n in 0..count {
        ledger.write(entry(&format!("+1212555{n:04}"))).await.unwrap();
    }
    let path = folder.path().join(FILE);
    (folder, path)
}

#[tokio::test]
async fn a_ledger_continues_after_a_restart() {
    let (folder, path) = ledger(3).await;
    let again = Ledger::open(folder.path(), now()).unwrap();
    again.note(entry("+12125550199"));
    again.flush().await;
    let report = verify(&path, None).unwrap();
    assert_eq!((report.lines, report.broken.len(), report.torn.len()), (4, 0, 0));
    assert!(report.has_head);
    assert_eq!(verify(&path, Some(&report.last)).unwrap(), report);
}

#[tokio::test]
async fn lines_cut_off_the_end_are_detected() {
    let (folder, path) = ledger(5).await;
    let whole = std::fs::read_to_string(&path).unwrap();
    let end = |lines: usize| whole.lines().take(lines).map(|line| line.len() + 1).sum::<usize>();
    let noted = verify(&path, None).unwrap().last;
    std::fs::write(&path, &whole[..end(3)]).unwrap();
    let report = verify(&path, None).unwrap();
    assert_eq!(report.broken.first().map(|(line, _)| *line), Some(4), "{report:?}");
    // Not even by a server that goes on with what is left.
    drop(Ledger::open(folder.path(), now()).unwrap());
    let ledger = Ledger::open(folder.path(), now()).unwrap();
    ledger.write(entry("+12125550199")).await.unwrap();
    let report = verify(&path, None).unwrap();
    assert_eq!(report.broken.len(), 1, "{report:?}");
    assert!(report.broken[0].0 == 4 && report.broken[0].1.contains("5 lines were written"));
    // Who takes both files away leaves a beginning that is whole, but for what was noted.
    std::fs::write(&path, &whole[..end(3)]).unwrap();
    std::fs::remove_file(folder.path().join(HEAD)).unwrap();
    let report = verify(&path, None).unwrap();
    assert!(report.broken.is_empty() && !report.has_head, "{report:?}");
    assert_eq!(verify(&path, Some(&noted)).unwrap().broken[0].0, 4);
}

#[tokio::test]
async fn a_changed_byte_is_found_in_its_line() {
    let (_folder, path) = ledger(4).await;
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        std::fs::write(&path, &changed).unwrap();
        let line = whole[..at].split(|byte| *byte == b'\n').count();
        let report = verify(&path, None).unwrap();
        assert_eq!(report.broken.first().map(|(line, _)| *line), Some(line), "byte {at}");
    }
}

#[tokio::test]
async fn a_removed_added_or_moved_line_is_found() {
    let (_folder, path) = ledger(4).await;
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    for (kept, found) in [
        (vec![lines[0], lines[2], lines[3]], 2),
        (vec![lines[1], lines[2], lines[3]], 1),
        (vec![lines[0], lines[2], lines[1], lines[3]], 2),
        (vec![lines[0], lines[0], lines[1], lines[2]], 2),
    ] {
        std::fs::write(&path, kept.join("\n") + "\n").unwrap();
        assert_eq!(verify(&path, None).unwrap().broken[0].0, found);
    }
}

#[tokio::test]
async fn a_torn_line_is_left_and_reported() {
    let (folder, path) = ledger(1).await;
    // How far it goes is written down after the line, so that it is behind in a crash.
    let head = std::fs::read(folder.path().join(HEAD)).unwrap();
    let ledger = Ledger::open(folder.path(), now()).unwrap();
    ledger.write(entry("+12125550198")).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    std::fs::write(folder.path().join(HEAD), head).unwrap();
    assert_eq!(verify(&path, None).unwrap().broken[0].0, 2, "before the server is started");
    let ledger = Ledger::open(folder.path(), now()).unwrap();
    ledger.write(entry("+12125550199")).await.unwrap();
    let report = verify(&path, None).unwrap();
    assert_eq!((report.lines, &report.torn[..]), (4, &[2][..]));
    assert_eq!(report.broken, []);
}

#[tokio::test]
async fn unwritten_lines_are_written_when_the_disk_recovers() {
    let (folder, path) = ledger(1).await;
    let ledger = Ledger::open(folder.path(), now()).unwrap();
    let away = folder.path().join("away");
    std::fs::rename(&path, &away).unwrap();
    let wish = Entry { what: EntryKind::DoNotCall, ..entry("+12125550101") };
    ledger.note(wish.clone());
    let dialling = Entry { what: EntryKind::Dialling, ..entry("+12125550102") };
    assert_eq!(ledger.write(dialling).await, Err(Unwritten), "nobody is called");
    assert_eq!(do_not_call_entries(folder.path()).unwrap(), []);
    std::fs::rename(&away, &path).unwrap();
    // Whether or not anything else is to be written.
    ledger.flush().await;
    let report = verify(&path, None).unwrap();
    assert_eq!((report.lines, report.broken), (2, vec![]));
    let known = do_not_call_entries(folder.path()).unwrap();
    let known: Vec<_> = known.iter().map(|word| (word.number.as_str(), word.at)).collect();
    assert_eq!(known, [("+12125550101", now())]);
}

#[test]
fn do_not_call_entries_are_dropped_last() {
    let wish = Entry { what: EntryKind::DoNotCall, ..entry("+12125550101") };
    let mut unwritten: VecDeque<_> = std::iter::once(wish).collect();
    unwritten.extend(std::iter::repeat_n(entry("+12125550102"), MOST_UNWRITTEN + 5));
    drop_oldest(&mut unwritten);
    assert_eq!((unwritten.len(), unwritten[0].what), (MOST_UNWRITTEN, EntryKind::DoNotCall));
}

#[tokio::test]
async fn concurrent_writers_mix_no_lines() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = std::sync::Arc::new(Ledger::open(folder.path(), now()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let ledger = std::sync::Arc::clone(&ledger);
        tasks.spawn(async move { ledger.write(entry(&format!("+1212555{n:04}"))).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let report = verify(&folder.path().join(FILE), None).unwrap();
    assert_eq!((report.lines, report.broken.len()), (200, 0));
}
