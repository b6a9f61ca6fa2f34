//! Where locks and sockets live, in a `/tmp` where others write too.

use super::support::{me, mode};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;
use tipring::control::place::{Places, Surroundings};
use tipring::error::Exit;

/// A machine in a directory: `run` and `tmp` in it, no session.
fn machine(root: &TempDir) -> Surroundings {
    let tmp = root.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let (dev, uucp) = (root.path().join("dev"), root.path().join("lock"));
    Surroundings { explicit: None, run: root.path().join("run"), session: None, tmp, dev, uucp, uid: me() }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_a_session_a_closed_directory_in_tmp_is_made() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    let places = Places::new(around.clone());
    assert!(places.dirs().is_empty(), "looking makes nothing");
    let dir = places.own().unwrap();
    assert_eq!(dir, around.tmp.join(format!("tipring-{}", me())));
    assert_eq!(mode(&dir), 0o700);
    assert_eq!((places.own().unwrap(), places.dirs()), (dir.clone(), vec![dir]), "and found again");
}

#[test]
fn a_link_laid_in_tmp_is_refused_and_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    let victim = root.path().join("victim");
    fs::create_dir(&victim).unwrap();
    chmod(&victim, 0o700);
    symlink(&victim, around.tmp.join(format!("tipring-{}", me()))).unwrap();
    let places = Places::new(around);
    let refused = places.own().unwrap_err();
    assert_eq!((refused.exit, refused.why.as_str()), (Exit::Port, "it is a symbolic link"));
    assert!(places.dirs().is_empty());
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
}

#[test]
fn a_link_to_nowhere_is_refused_too() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    let nowhere = root.path().join("nowhere");
    symlink(&nowhere, around.tmp.join(format!("tipring-{}", me()))).unwrap();
    assert!(Places::new(around).own().is_err());
    assert!(!nowhere.exists());
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    let dir = around.tmp.join(format!("tipring-{}", me()));
    fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o711);
    let refused = Places::new(around.clone()).own().unwrap_err();
    assert!(refused.why.contains("0711"), "{refused}");
    chmod(&dir, 0o700);
    assert_eq!(Places::new(around).own().unwrap(), dir);
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let root = tempfile::tempdir().unwrap();
    // the directory is ours, and we play another user who finds it in his place
    let around = Surroundings { uid: me() + 1, ..machine(&root) };
    let dir = around.tmp.join(format!("tipring-{}", around.uid));
    fs::create_dir(&dir).unwrap();
    chmod(&dir, 0o700);
    let places = Places::new(around);
    assert!(places.own().unwrap_err().why.starts_with("it belongs to "));
    assert!(places.dirs().is_empty());
}

#[test]
fn a_plain_file_in_the_way_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    fs::write(around.tmp.join(format!("tipring-{}", me())), "").unwrap();
    assert_eq!(Places::new(around).own().unwrap_err().why, "it is not a directory");
}

#[test]
fn a_terminal_and_cron_of_one_user_meet_in_one_directory() {
    let root = tempfile::tempdir().unwrap();
    let cron = Surroundings { uid: me(), ..machine(&root) };
    let session = cron.run.join("user").join(me().to_string());
    fs::create_dir_all(&session).unwrap();
    // root would make the shared directory, where all meet anyway
    fs::write(cron.run.join("tipring"), "").unwrap();
    let terminal = Surroundings { session: Some(session.clone()), ..cron.clone() };
    let own = Places::new(terminal).own().unwrap();
    assert_eq!(own, session.join("tipring"));
    assert_eq!(mode(&own), 0o700);
    assert_eq!(Places::new(cron).own().unwrap(), own);
}

#[test]
fn the_session_of_another_user_is_not_ours() {
    let root = tempfile::tempdir().unwrap();
    let session = root.path().join("session");
    fs::create_dir(&session).unwrap();
    // su keeps XDG_RUNTIME_DIR: here it is still that of the user we were
    let around = Surroundings { uid: me() + 1, session: Some(session.clone()), ..machine(&root) };
    assert!(Places::new(around).own().unwrap_err().what.contains("/tmp/"));
    assert_eq!(fs::read_dir(&session).unwrap().count(), 0);
}

#[test]
fn the_shared_directory_goes_first_where_we_may_write() {
    let root = tempfile::tempdir().unwrap();
    let around = machine(&root);
    let shared = around.run.join("tipring");
    fs::create_dir_all(&shared).unwrap();
    assert_eq!(Places::new(around.clone()).own().unwrap(), shared);
    chmod(&shared, 0o777);
    assert_ne!(Places::new(around.clone()).own().unwrap(), shared, "everybody may write to it");
    assert!(!Places::new(around).dirs().contains(&shared));
}

#[test]
fn root_makes_the_shared_directory_and_nobody_else_can_write_to_it() {
    let root = tempfile::tempdir().unwrap();
    let around = Surroundings { uid: 0, ..machine(&root) };
    fs::create_dir(&around.run).unwrap();
    let dir = Places::new(around.clone()).own().unwrap();
    assert_eq!(dir, around.run.join("tipring"));
    let expected = if tipring::control::place::group().is_some() { 0o2775 } else { 0o755 };
    assert_eq!(mode(&dir), expected);
}

#[test]
fn the_directory_that_was_named_is_the_only_one() {
    let root = tempfile::tempdir().unwrap();
    let named = root.path().join("named");
    let around = Surroundings { explicit: Some(named.clone()), ..machine(&root) };
    assert_eq!(Places::new(around.clone()).own().unwrap(), named);
    assert_eq!(mode(&named), 0o700);
    assert_eq!(Places::new(around.clone()).dirs(), vec![named.clone()]);
    chmod(&named, 0o777);
    assert_eq!(Places::new(around.clone()).own().unwrap_err().why, "everybody may write to it");
    for bad in ["relative", "/nonexistent/deeper/still"] {
        let around = Surroundings { explicit: Some(bad.into()), ..around.clone() };
        assert_eq!(Places::new(around).own().unwrap_err().exit, Exit::Port, "{bad}");
    }
}
