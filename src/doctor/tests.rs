//! Machines in a directory, each with one thing wrong.

use super::permissions::{RULES, known_modems};
use super::{Finding, Machine, Room, Status};
use crate::control::place;
use crate::journal::place::Surroundings;
use crate::journal::{JournalError, Store};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A Digium card with one FXO line, driver loaded, everything as it should be.
struct Fake {
    dir: tempfile::TempDir,
    uid: u32,
    /// `TIPRING_RUNTIME_DIR`.
    runtime: Option<std::path::PathBuf>,
    groups: Vec<u32>,
    room: fn(&Path) -> Option<Room>,
    now: u64,
}

/// With which a line that mends something begins.
const PROGRAMS: [&str; 26] = [
    "apk",
    "apt",
    "cat",
    "cd",
    "dkms",
    "dmesg",
    "dnf",
    "du",
    "export",
    "fuser",
    "groupadd",
    "kill",
    "modprobe",
    "mount",
    "mv",
    "newgrp",
    "pacman",
    "rm",
    "sh",
    "sqlite3",
    "timedatectl",
    "tipring",
    "udevadm",
    "unset",
    "usermod",
    "zypper",
];

const GB: u64 = 1024 * 1024 * 1024;

fn plenty(_: &Path) -> Option<Room> {
    Some(Room { free: 20 * GB, total: 100 * GB })
}

impl Fake {
    fn good() -> Fake {
        let fake = Fake {
            dir: tempfile::tempdir().unwrap(),
            uid: 1000,
            runtime: None,
            groups: vec![1000, 777],
            room: plenty,
            now: 1_800_000_000,
        };
        fake.file("etc/group", "root:x:0:\ntipring:x:777:ann,bob\n");
        fake.file("etc/udev/rules.d/70-tipring.rules", RULES);
        fake.file("run/systemd/timesync/synchronized", "");
        fake.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
        fake.file("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n");
        fake.file("var/lib/dpkg/info/linux-image-6.1.0-18-amd64.list", "");
        fake.file("proc/dahdi/1", "Span 1: WCTDM/0 \"Wildcard TDM400P\" (MASTER)\n\n\t   1 WCTDM/0/0 FXSKS\n");
        fake.file("sys/module/dahdi/version", "3.4.0\n");
        fake.file("sys/bus/pci/devices/0000:01:00.0/vendor", "0xd161\n");
        fake.file("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
        // any node that we may open: /dev/null stands for a character device of our own
        fs::create_dir_all(fake.at("dev/dahdi")).unwrap();
        std::os::unix::fs::symlink("/dev/null", fake.at("dev/dahdi/channel")).unwrap();
        fake
    }

    /// The same without card and driver.
    fn without_driver() -> Fake {
        let fake = Fake::good();
        fs::remove_dir_all(fake.at("proc/dahdi")).unwrap();
        fake
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    fn place(&self) -> Surroundings {
        Surroundings { explicit: Some(self.at("state")), ..Default::default() }
    }

    fn runtime(&self) -> place::Surroundings {
        fs::create_dir_all(self.at("tmp")).unwrap();
        place::Surroundings {
            explicit: self.runtime.clone(),
            run: self.at("run"),
            session: None,
            tmp: self.at("tmp"),
            dev: self.at("dev"),
            uucp: self.at("var/lock"),
            uid: self.uid,
        }
    }

    fn machine(&self) -> Machine {
        Machine {
            root: self.dir.path().to_path_buf(),
            user: "ann".into(),
            uid: self.uid,
            groups: self.groups.clone(),
            state: self.place(),
            runtime: self.runtime(),
            room: self.room,
            now: self.now,
            patience: Duration::from_millis(20),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        self.machine().examine()
    }

    /// What there is to say of one thing, which has to be the only thing that is wrong.
    #[track_caller]
    fn only(&self, check: &str, status: Status) -> Finding {
        let found = self.findings();
        let wrong: Vec<_> = found.iter().filter(|f| f.status != Status::Ok).collect();
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        assert_eq!((wrong[0].check, wrong[0].status), (check, status), "{:#?}", wrong[0]);
        assert!(wrong[0].why.is_some() && wrong[0].help.as_deref().is_some_and(|h| !h.is_empty() && !h.contains('\n')));
        // nothing that is prose: each begins with a program that there is, but for what hands alone can do
        let help = wrong[0].help.clone().unwrap();
        let by_hand = ["alarms", "interrupts"].contains(&check) || help.contains("system.conf");
        let first = help.split_whitespace().find(|w| *w != "sudo").unwrap();
        assert!(by_hand || PROGRAMS.contains(&first), "{help}");
        let line = help.split("  # ").next().unwrap();
        assert!(!line.contains(", "), "two lines in one: {help}");
        wrong[0].clone()
    }

    #[track_caller]
    fn helps(&self, check: &str, status: Status, help: &str) {
        let found = self.only(check, status);
        assert!(found.help.as_deref().unwrap().contains(help), "{found:#?}");
    }
}

#[test]
fn on_a_good_machine_all_is_well_and_everything_was_looked_at() {
    let found = Fake::good().findings();
    assert!(found.iter().all(|f| f.status == Status::Ok && f.help.is_none()), "{found:#?}");
    let checks: std::collections::BTreeSet<_> = found.iter().map(|f| f.check).collect();
    let all = [
        "clock",
        "clock source",
        "dahdi driver",
        "dahdi nodes",
        "disk",
        "group",
        "journal",
        "lock directory",
        "locks",
        "modemmanager",
        "state directory",
        "udev rule",
    ];
    assert_eq!(checks.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_missing_group_and_a_user_outside_of_it_are_told_apart() {
    let fake = Fake::good();
    fake.file("etc/group", "root:x:0:\n");
    fake.helps("group", Status::Warn, "groupadd --system tipring");
    let mut fake = Fake::good();
    fake.groups = vec![1000];
    fake.helps("group", Status::Warn, "log in again");
    fake.file("etc/group", "tipring:x:777:annabel\n");
    fake.helps("group", Status::Warn, "usermod -aG tipring ann");
    fake.uid = 0;
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "root needs none");
}

#[test]
fn rules_that_are_missing_masked_or_of_another_version_are_told() {
    let rules = "etc/udev/rules.d/70-tipring.rules";
    let fake = Fake::good();
    fake.remove(rules);
    fake.helps("udev rule", Status::Warn, "udevadm control --reload");
    fake.file(rules, "");
    assert!(fake.only("udev rule", Status::Warn).what.contains("masked"));
    fake.file(rules, "# of 2019\n");
    assert!(fake.only("udev rule", Status::Warn).what.contains("not that of this version"));
    fake.remove(rules);
    fake.file("usr/lib/udev/rules.d/70-tipring.rules", RULES);
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "packages put them there");
}

#[test]
fn modem_manager_is_a_fault_where_it_takes_a_modem_of_ours() {
    let fake = Fake::good();
    fake.file("proc/812/comm", "ModemManager\n");
    fake.file("sys/bus/usb/devices/1-4/idVendor", "0572\n");
    fake.file("sys/bus/usb/devices/1-4/idProduct", "1340\n");
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "it is told to leave it");
    fake.remove("etc/udev/rules.d/70-tipring.rules");
    let found = fake.findings();
    let takes = found.iter().find(|f| f.check == "modemmanager").unwrap();
    assert_eq!(takes.status, Status::Fail);
    assert!(takes.what.contains("pid 812") && takes.what.contains("0572:1340"), "{takes:#?}");
    fake.file("sys/bus/usb/devices/1-4/idVendor", "dead\n");
    assert_eq!(fake.findings().iter().find(|f| f.check == "modemmanager").unwrap().status, Status::Ok);
}

#[test]
fn the_headers_are_those_of_the_running_kernel_wherever_it_came_from() {
    let fake = Fake::without_driver();
    let release = |release: &str, os: &str| {
        fake.file("proc/sys/kernel/osrelease", format!("{release}\n"));
        fake.file("etc/os-release", os);
        fake.only("dahdi driver", Status::Fail).help.unwrap()
    };
    // a Debian on a kernel that no package brought: there is no package of its headers either
    assert_eq!(
        release("6.6.31-custom", "ID=debian\n"),
        "sudo sh -c 'apt install linux-image-$(dpkg --print-architecture) linux-headers-$(dpkg --print-architecture) \
         dahdi-dkms && reboot'"
    );
    let why = fake.only("dahdi driver", Status::Fail).why.unwrap();
    assert!(why.contains("kernel 6.6.31-custom is of no package known here"), "{why}");
    for (kernel, os, wanted) in [
        ("6.8.5-301.fc40.x86_64", "ID=fedora\n", "dnf install kernel-devel-6.8.5-301.fc40.x86_64 "),
        ("5.14.0-427.el9.x86_64", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf install kernel-devel-5.14.0"),
        ("6.4.0-150600.21-default", "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "kernel-default-devel"),
        ("6.8.1-arch1-1", "ID=arch\n", "pacman -S linux-headers "),
        ("6.6.30-1-lts", "ID=arch\n", "pacman -S linux-lts-headers "),
        ("6.6.31-0-lts", "ID=alpine\n", "apk add linux-lts-dev "),
        ("6.1.0", "ID=whatever\n", "/lib/modules/6.1.0/build"),
    ] {
        let help = release(kernel, os);
        assert!(help.contains(wanted) && !help.contains("apt"), "{kernel}: {help}");
        // once they are there they are not asked for again
        fake.file(&format!("lib/modules/{kernel}/build/Makefile"), "");
        let help = release(kernel, os);
        assert!(!help.contains(wanted.trim()) && help.contains("make install"), "{kernel}: {help}");
    }
    let ubuntu = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
    fake.file("var/lib/dpkg/info/linux-image-unsigned-6.8.0-31-generic.list", "");
    let help = release("6.8.0-31-generic", ubuntu);
    assert!(help.contains("apt install dahdi-dkms linux-headers-6.8.0-31-generic"), "{help}");
    // built for another kernel alone: the same headers, then dkms
    fake.file("lib/modules/6.8.0-30-generic/updates/dkms/dahdi.ko", "");
    let help = release("6.8.0-31-generic", ubuntu);
    assert_eq!(help, "sudo sh -c 'apt install linux-headers-6.8.0-31-generic && dkms autoinstall -k 6.8.0-31-generic'");
    let help = release("6.6.31-custom", ubuntu);
    assert_eq!(help, "sudo sh -c 'apt install linux-image-generic linux-headers-generic && reboot'");
}

#[test]
fn the_driver_is_not_installed_not_built_for_this_kernel_of_another_kernel_or_not_loaded() {
    let fake = Fake::without_driver();
    fake.helps("dahdi driver", Status::Fail, "apt install dahdi-dkms linux-headers-6.1.0-18-amd64");
    fake.file("lib/modules/6.1.0-17-amd64/updates/dkms/dahdi.ko", "");
    let found = fake.only("dahdi driver", Status::Fail);
    assert!(found.what.contains("not built for this kernel") && found.why.unwrap().contains("6.1.0-17-amd64"));
    let ours = "lib/modules/6.1.0-18-amd64/updates/dkms/dahdi.ko";
    fake.file(ours, b"\x7fELF\0\0vermagic=6.1.0-17-amd64 SMP mod_unload\0");
    let found = fake.only("dahdi driver", Status::Fail);
    assert_eq!(found.what, "built for kernel 6.1.0-17-amd64, and this is 6.1.0-18-amd64");
    fake.file(ours, b"\x7fELF\0\0vermagic=6.1.0-18-amd64 SMP mod_unload\0");
    fake.helps("dahdi driver", Status::Fail, "modprobe dahdi");
    fake.remove(ours);
    fake.file("lib/modules/6.1.0-18-amd64/modules.dep", "kernel/x.ko.xz:\nmisc/dahdi.ko.xz: kernel/crc-ccitt.ko.xz\n");
    assert_eq!(fake.only("dahdi driver", Status::Fail).what, "not loaded", "found by the index too");
    fake.remove("sys/bus/pci/devices/0000:01:00.0/vendor");
    fake.only("dahdi driver", Status::Warn);
}

#[test]
fn cards_nodes_alarms_and_interrupts_are_told_apart() {
    let fake = Fake::good();
    fake.remove("proc/dahdi/1");
    fake.helps("dahdi cards", Status::Fail, "modprobe");
    let fake = Fake::good();
    fake.remove("dev/dahdi/channel");
    fake.helps("dahdi nodes", Status::Fail, "udevadm trigger");
    let fake = Fake::good();
    fake.remove("dev/dahdi/channel");
    fake.file("dev/dahdi/channel", "");
    fs::set_permissions(fake.at("dev/dahdi/channel"), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    if !nix::unistd::Uid::effective().is_root() {
        fake.only("dahdi nodes", Status::Fail);
    }
    let fake = Fake::good();
    fake.file("proc/dahdi/1", "Span 1: WCTDM/0 \"Wildcard TDM400P\" (MASTER)\n\n\t   1 WCTDM/0/0 FXSKS RED\n");
    fake.helps("alarms", Status::Warn, "plug in the line");
    let fake = Fake::good();
    fake.file("proc/dahdi/1", "Span 1: W/0 \"TDM400P\" (MASTER)\n\tIRQ misses: 7\n\n\t   1 WCTDM/0/0 FXSKS\n");
    assert!(fake.only("interrupts", Status::Warn).what.contains("missed 7"));
    let fake = Fake::good();
    fake.file("proc/dahdi/1", "Span 1: W/0 \"TDM400P\" (MASTER)\n\n\t   1 WCTDM/0/0\n");
    fake.helps("dahdi nodes", Status::Warn, "system.conf");
}

#[test]
fn locks_of_other_programs_are_shown_with_their_holder_and_stale_ones_with_what_removes_them() {
    let fake = Fake::good();
    fake.file("var/lock/LCK..dahdi_1", "      4711\n");
    fake.file("proc/4711/comm", "minicom\n");
    let found = fake.only("locks", Status::Warn);
    assert_eq!(found.what, "dahdi_1 is held by minicom (pid 4711)");
    fake.file("proc/4711/comm", "tipring\n");
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "our own is no fault");
    fake.remove("proc/4711/comm");
    fake.helps("locks", Status::Warn, "rm /var/lock/LCK..dahdi_1");
    fake.file("var/lock/LCK..dahdi_1", "");
    fake.helps("locks", Status::Warn, "rm /var/lock/LCK..dahdi_1");
    fake.remove("var/lock/LCK..dahdi_1");
    fake.file("var/lock/LCK..mailbox", "      4711\n");
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "a mailbox is no line");
}

#[test]
fn a_lock_that_cannot_be_read_or_is_no_file_or_is_inits_is_told_as_what_it_is() {
    let fake = Fake::good();
    let lock = fake.at("var/lock/LCK..dahdi_1");
    fake.file("var/lock/LCK..dahdi_1", "         1\n");
    fake.file("proc/1/comm", "systemd\n");
    let found = fake.only("locks", Status::Warn);
    assert!(!found.help.as_deref().unwrap().contains("kill") && found.what.contains("systemd (pid 1)"), "{found:#?}");
    fake.helps("locks", Status::Warn, "sudo rm /var/lock/LCK..dahdi_1  # unless");

    let mode = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(&lock, 0o000);
    mode(fake.dir.path(), 0o755);
    let machine = fake.machine();
    let found = std::thread::scope(|s| {
        let nobody = s.spawn(|| {
            // this thread's view of files alone
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
            super::host::locks(&machine)
        });
        nobody.join().unwrap()
    });
    assert!(found.len() == 1 && found[0].status == Status::Warn, "{found:#?}");
    assert_eq!(found[0].what, "dahdi_1 is in use, by whom cannot be seen");
    assert!(found[0].help.as_deref().unwrap().starts_with("sudo cat /var/lock/LCK..dahdi_1"), "{found:#?}");

    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    fake.helps("locks", Status::Fail, "mv /var/lock/LCK..dahdi_1 ");
    assert!(fake.only("locks", Status::Fail).why.unwrap().contains("is a directory"));
    fs::remove_dir(&lock).unwrap();
    std::os::unix::fs::symlink("/dev/null", &lock).unwrap();
    fake.helps("locks", Status::Fail, "rm /var/lock/LCK..dahdi_1");
}

#[test]
fn a_clock_that_nobody_keeps_or_set_and_a_slow_clock_source_are_told() {
    let mut fake = Fake::good();
    fake.remove("run/systemd/timesync/synchronized");
    fake.helps("clock", Status::Warn, "timedatectl set-ntp true");
    fake.file("proc/300/comm", "systemd-timesyn\n");
    assert!(fake.only("clock", Status::Warn).what.contains("not synchronized"));
    fake.file("proc/301/comm", "chronyd\n");
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok));
    fake.now = 12;
    fake.only("clock", Status::Fail);
    let fake = Fake::good();
    let dir = "sys/devices/system/clocksource/clocksource0";
    fake.file(&format!("{dir}/current_clocksource"), "hpet\n");
    fake.helps("clock source", Status::Warn, "dmesg");
    fake.file(&format!("{dir}/available_clocksource"), "tsc hpet acpi_pm\n");
    fake.helps("clock source", Status::Warn, "echo tsc >");
}

#[test]
fn a_disk_that_fills_up_is_a_warning_and_a_full_one_a_fault() {
    let mut fake = Fake::good();
    fake.room = |_| Some(Room { free: 100 * 1024 * 1024, total: 100 * GB });
    fake.helps("disk", Status::Warn, "sort -h | tail");
    fake.room = |_| Some(Room { free: 4096, total: 100 * GB });
    fake.only("disk", Status::Fail);
}

#[test]
fn a_state_directory_and_a_journal_that_cannot_be_used_are_faults() {
    let fake = Fake::good();
    Store::open(&fake.place(), Duration::from_secs(5)).unwrap();
    let found = fake.findings();
    assert!(found.iter().any(|f| f.check == "journal" && f.what.ends_with("is whole")), "{found:#?}");
    fake.file("state/journal.db", "no database".repeat(1000));
    fake.helps("journal", Status::Fail, "mv ");
    let found = fake.only("journal", Status::Fail);
    assert!(found.why.unwrap().contains("damaged"));
    let fake = Fake::good();
    fake.file("state/journal.db.damaged-20260203T140506Z", "x");
    fake.helps("journal", Status::Warn, "sqlite3");
    let fake = Fake::good();
    fake.file("state", "in the way");
    fake.only("state directory", Status::Fail);
}

#[test]
fn the_rules_are_installed_from_anywhere_and_over_a_mask() {
    let rules = "etc/udev/rules.d/70-tipring.rules";
    let mut fake = Fake::good();
    fake.remove(rules);
    let install = "tipring doctor --print-udev | sudo tee /etc/udev/rules.d/70-tipring.rules > /dev/null && \
                   sudo udevadm control --reload && sudo udevadm trigger";
    assert_eq!(fake.only("udev rule", Status::Warn).help.unwrap(), install);
    // what is written to the link would be lost
    std::os::unix::fs::symlink("/dev/null", fake.at(rules)).unwrap();
    let help = fake.only("udev rule", Status::Warn).help.unwrap();
    assert_eq!(help, format!("sudo rm /etc/udev/rules.d/70-tipring.rules && {install}"));
    fake.uid = 0;
    assert!(!fake.only("udev rule", Status::Warn).help.unwrap().contains("sudo"));
}

#[test]
fn a_read_only_file_system_is_mounted_anew_and_its_owner_is_left_alone() {
    let fake = Fake::good();
    let dir = fake.dir.path().display().to_string();
    fake.file("proc/self/mounts", format!("/dev/sda1 / ext4 rw,relatime 0 0\n/dev/sdb1 {dir} ext4 ro,relatime 0 0\n"));
    let found = fake.only("state directory", Status::Fail);
    assert_eq!(found.help.unwrap(), format!("sudo mount -o remount,rw {dir}"));
    assert_eq!(found.why.unwrap(), format!("{dir} is mounted read-only"));
    fake.file("proc/self/mounts", format!("/dev/sda1 / ext4 ro 0 0\n/dev/sdb1 {dir} ext4 rw,relatime 0 0\n"));
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok), "another one's matter");
}

#[test]
fn a_directory_of_somebody_else_is_made_ours_by_who_may() {
    let mut fake = Fake::good();
    let there = super::host::make_ours(&fake.machine(), fake.dir.path());
    assert_eq!(there, format!("sudo chown -R ann {}", fake.dir.path().display()));
    let missing = super::host::make_ours(&fake.machine(), Path::new("/srv/the calls"));
    assert_eq!(missing, "sudo install -d -m 700 -o ann '/srv/the calls'");
    fake.uid = 0;
    assert!(!super::host::make_ours(&fake.machine(), fake.dir.path()).contains("sudo"));
}

#[test]
fn a_journal_that_another_process_has_locked_is_told_with_who_it_is() {
    let fake = Fake::good();
    drop(Store::open(&fake.place(), Duration::from_secs(5)).unwrap());
    let other = rusqlite::Connection::open(fake.at("state/journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    fake.helps("journal", Status::Warn, "fuser -v");
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(fake.at("state/journal.db-shm")).unwrap());
    fake.file(
        "proc/locks",
        format!(
            "1: POSIX  ADVISORY  READ 11 fe:01:{inode} 124 124\n2: POSIX  ADVISORY  WRITE 4711 fe:01:{inode} 120 120\n"
        ),
    );
    fake.file("proc/4711/comm", "sqlite3\n");
    let found = fake.only("journal", Status::Warn);
    assert_eq!(found.help.unwrap(), "sudo kill 4711");
    assert!(found.why.unwrap().ends_with("is locked by another process: sqlite3 (pid 4711)"));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok));
}

#[test]
fn a_journal_that_fails_on_a_full_disk_is_told_to_need_room() {
    let mut fake = Fake::good();
    fake.room = |_| Some(Room { free: 4096, total: 100 * GB });
    let path = fake.at("state/journal.db");
    let e = JournalError::Io { path: path.clone(), why: "disk I/O error".into() };
    let finding = super::host::journal(&fake.machine(), &path, &e);
    assert!(finding.help.as_deref().unwrap().starts_with("du -xh"), "{finding:#?}");
}

#[test]
fn what_lies_in_the_place_of_the_journal_is_told_as_what_it_is() {
    let fake = Fake::good();
    fs::create_dir_all(fake.at("state")).unwrap();
    let path = fake.at("state/journal.db");
    let told = |what: &str| {
        let found = fake.only("journal", Status::Fail);
        assert!(found.why.as_deref().unwrap().ends_with(what), "{found:#?}");
        assert!(found.help.unwrap().starts_with("mv "));
    };
    fs::create_dir(&path).unwrap();
    told("is a directory");
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/nonexistent/journal.db", &path).unwrap();
    told("is a link to nowhere");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    told("is a link to what is no file");
    fs::remove_file(&path).unwrap();
    drop(Store::open(&fake.place(), Duration::from_secs(5)).unwrap());
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TABLE tag").unwrap();
    told("is damaged: its table `tag` is gone");
}

#[test]
fn nobody_is_told_to_move_a_device_away() {
    let fake = Fake::good();
    for dir in ["/dev/null", "/dev/null/state"] {
        let state = Surroundings { explicit: Some(dir.into()), ..Default::default() };
        let found = Machine { state, ..fake.machine() }.examine();
        let wrong: Vec<_> = found.iter().filter(|f| f.status != Status::Ok).collect();
        assert!(wrong.len() == 1 && wrong[0].what == "/dev/null is not a directory", "{wrong:#?}");
        assert!(wrong[0].help.as_deref().unwrap().starts_with("export TIPRING_STATE_DIR="), "{wrong:#?}");
    }
}

#[test]
fn a_directory_that_no_call_can_keep_its_locks_in_is_told_and_none_is_made_by_looking() {
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let mut fake = Fake::good();
    let said = |fake: &Fake| fake.findings().into_iter().find(|f| f.check == "lock directory").unwrap();
    assert!(said(&fake).what.ends_with("tmp/tipring-1000 (made with the first call)"), "{:?}", said(&fake));
    assert!(!fake.at("tmp/tipring-1000").exists(), "looking makes nothing");
    // ours, and not open to others: what a call refuses
    fake.file("tmp/tipring-1000", "in the way");
    fake.helps("lock directory", Status::Fail, "mv ");
    fake.remove("tmp/tipring-1000");
    let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata(fake.dir.path()).unwrap());
    fake.uid = own + 1;
    let other = fake.at(&format!("tmp/tipring-{}", fake.uid));
    fs::create_dir(&other).unwrap();
    chmod(&other, 0o700);
    assert!(said(&fake).status == Status::Fail && said(&fake).why.unwrap().starts_with("it belongs to "));

    let nowhere = place::Surroundings { tmp: fake.at("none/tmp"), ..Fake::good().runtime() };
    let found = Machine { runtime: nowhere, ..Fake::good().machine() }.examine();
    let found = found.iter().find(|f| f.check == "lock directory").unwrap();
    assert!(found.help.as_deref().unwrap().starts_with("export TIPRING_RUNTIME_DIR="), "{found:#?}");

    let mut fake = Fake::good();
    let (open, deeper) = (fake.at("open"), fake.at("none/deeper"));
    fs::create_dir(&open).unwrap();
    chmod(&open, 0o777);
    for (dir, why) in [
        (open.as_path(), "everybody may write to it"),
        (Path::new("/dev/null"), "it is not a directory"),
        (Path::new("relative"), "it is not an absolute path"),
        (deeper.as_path(), "No such file"),
    ] {
        fake.runtime = Some(dir.to_path_buf());
        let found = fake.only("lock directory", Status::Fail);
        assert!(found.why.as_deref().unwrap().contains(why), "{found:#?}");
        assert!(found.help.unwrap().starts_with("unset TIPRING_RUNTIME_DIR"));
        // as the call says it
        let refused = place::Places::new(fake.runtime()).own().unwrap_err();
        assert!(refused.why.contains(why), "{refused}");
    }
    fake.runtime = Some(fake.at("mine"));
    assert!(fake.findings().iter().all(|f| f.status == Status::Ok));
    assert!(!fake.at("mine").exists(), "looking makes nothing");
}

// -- the rules themselves ----------------------------------------------------------------------------------------------

#[test]
fn the_rules_are_written_as_udev_reads_them() {
    let mut labels = Vec::new();
    let mut jumps = Vec::new();
    for line in RULES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        for part in line.split(", ") {
            let at = part.find(['=', '!', '+', ':']).unwrap_or_else(|| panic!("no operator in `{part}`"));
            let (key, rest) = part.split_at(at);
            let op: String = rest.chars().take_while(|c| "=!+:".contains(*c)).collect();
            let value = &rest[op.len()..];
            assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "`{part}`");
            let name = key.split('{').next().unwrap();
            let matches = ["ACTION", "SUBSYSTEM", "SUBSYSTEMS", "ENV", "ATTRS"].contains(&name);
            let assigns = ["GOTO", "LABEL", "GROUP", "MODE", "SYMLINK", "ENV"].contains(&name);
            assert!((matches && ["==", "!="].contains(&&*op)) || (assigns && ["=", "+="].contains(&&*op)), "`{part}`");
            match name {
                "LABEL" => labels.push(value),
                "GOTO" => jumps.push((value, labels.len())),
                _ => {}
            }
        }
    }
    for (to, passed) in jumps {
        assert!(labels.iter().skip(passed).any(|l| *l == to), "{to} is not below its GOTO: udev jumps forward only");
    }
    let first = RULES.lines().find(|l| !l.is_empty() && !l.starts_with('#')).unwrap();
    assert_eq!(first, "ACTION==\"remove\", GOTO=\"tipring_end\"", "the guard is at the top");
}

#[test]
fn every_known_modem_is_in_the_rules_once_sorted_and_with_its_name_above() {
    let written: Vec<&str> = RULES.lines().filter(|l| l.starts_with("ATTRS{idVendor}")).collect();
    let known = known_modems(RULES);
    assert_eq!(written.len(), known.len(), "one is there twice");
    assert!(known.len() >= 25);
    let mut sorted = written.clone();
    sorted.sort_unstable();
    assert_eq!(written, sorted);
    for (id, name) in &known {
        let hex = id.len() == 9 && id.chars().all(|c| c == ':' || c.is_ascii_digit() || ('a'..='f').contains(&c));
        assert!(hex && !name.is_empty() && !name.contains("ATTRS"), "{id}: {name}");
    }
    for told in ["ENV{ID_MM_DEVICE_IGNORE}=\"1\"", "ENV{ID_MM_PORT_IGNORE}=\"1\""] {
        assert!(RULES.contains(told));
    }
}
