use super::*;

#[test]
fn a_name_that_leads_elsewhere_is_no_name() {
    for name in ["", "/etc/passwd", "../x", "a/../../x", "./x/..", "a\\b", "a\0b"] {
        assert_eq!(inside(name), None, "{name:?}");
    }
    assert_eq!(inside("a/b.so.1"), Some("a/b.so.1".into()));
}

fn put(directory: &Path, name: &str, mode: u32, left: u64, content: &[u8]) -> Result<(), Error> {
    let stop = Stop::default();
    let mut target = Target { directory, left, n_files: 0, stop: &stop };
    target.put(name, mode, &mut &*content)
}

#[test]
fn a_file_keeps_that_it_is_a_program_and_nothing_else_of_its_mode() {
    let home = tempfile::tempdir().unwrap();
    for (name, mode, expected) in [("a/program", 0o4_777, 0o755), ("a/text", 0o666, 0o644)] {
        put(home.path(), name, mode, 10, b"x").unwrap();
        let mode = fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7_777, expected, "{name}");
    }
}

#[test]
fn headers_and_sources_are_left_out() {
    let home = tempfile::tempdir().unwrap();
    for name in ["a/include/x.h", "a/x.py", "a/libx.a", "x.js"] {
        put(home.path(), name, 0o644, 10, b"x").unwrap();
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_is_too_large_outside_or_there_already_is_refused() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "there", 0o644, 10, b"x").unwrap();
    for (name, content) in [("large", &[0; 11][..]), ("../x", b"x"), ("there", b"y")] {
        assert!(put(home.path(), name, 0o644, 10, content).is_err(), "{name}");
    }
    assert_eq!(fs::read(home.path().join("there")).unwrap(), b"x");
}

#[test]
fn a_link_leads_to_a_file_beside_it_or_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let native = home.path().join("package/native");
    make_directory(&native.join("lib")).unwrap();
    let list = |links: &str| {
        fs::write(native.join("pg-symlinks.json"), links).unwrap();
        link(home.path())
    };
    list(r#"[{"source": "native/lib/x.so.1", "target": "native/lib/x.so"}]"#).unwrap();
    assert_eq!(fs::read_link(native.join("lib/x.so")).unwrap(), Path::new("x.so.1"));
    for (source, target) in
        [("/etc/passwd", "native/lib/y"), ("native/lib/x", "../y"), ("native/x", "native/lib/y")]
    {
        let links = format!(r#"[{{"source": "{source}", "target": "{target}"}}]"#);
        assert!(list(&links).is_err(), "{links}");
    }
}
