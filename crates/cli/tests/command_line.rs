//! What a person meets: a hermetic environment, eighty columns, the real binary.

mod common;

use std::{io::Write as _, process::Stdio};

use common::{Run, run};

#[test]
fn a_bad_flag() {
    insta::assert_snapshot!(run(&["--no-such-flag"]).refused(), @"
    error: unexpected argument '--no-such-flag' found
    help: usage: pulldoctor diagnose [OPTIONS] [TARGET]...
    help: `pulldoctor --help` shows the commands and their flags
    ");
}

#[test]
fn an_unknown_format() {
    insta::assert_snapshot!(run(&["-A", "-o", "jsn"]).refused(), @"
    error: invalid value 'jsn' for '--output <FORMAT>'
    help: choose one of human, json, yaml, ndjson
    help: a similar value exists: 'json'
    help: `pulldoctor --help` shows the commands and their flags
    ");
}

#[test]
fn a_flag_without_its_partner() {
    insta::assert_snapshot!(run(&["--as-group", "ops"]).refused(), @"
    error: the following required arguments were not provided:
      --as <USER>
    help: usage: pulldoctor diagnose --as <USER> --as-group <GROUP> [TARGET]...
    help: `pulldoctor --help` shows the commands and their flags
    ");
}

#[test]
fn an_id_with_a_slip() {
    insta::assert_snapshot!(run(&["explain", "secret-mising"]).refused(), @"
    error: `secret-mising` is not the id of a cause
    help: did you mean `pulldoctor explain secret-missing`?
    help: `pulldoctor explain` lists all ids
    ");
}

#[test]
fn a_case_that_does_not_exist() {
    assert!(
        run(&["demo", "no-such-case"])
            .refused()
            .starts_with("error: cannot find a case")
    );
}

#[test]
fn a_recording_that_cannot_be_read() {
    insta::assert_snapshot!(run(&["--bundle", "missing.json"]).refused(), @"
    error: cannot read `missing.json`
    caused by: No such file or directory (os error 2)
    ");
    let broken = Run::new(&["--bundle", "-"]).stdin("{\"schema\":").done();
    insta::assert_snapshot!(broken.refused(), @"
    error: cannot read `-`: neither JSON nor YAML from line 1, column 10 on
    help: a recording is written by `pulldoctor diagnose --record`; objects by
          `kubectl get pods,events,secrets,serviceaccounts,replicasets,deployments
          -o yaml`; `pulldoctor explain -` reads the output of `kubectl describe`
    ");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [
        &["--help"][..],
        &["help"],
        &["explain", "--help"],
        &["-n", "x", "-h"],
    ] {
        let done = run(arguments);
        assert_eq!(done.code(), 0, "{arguments:?}");
        assert!(done.out().contains("Usage: pulldoctor"), "{}", done.out());
        assert_eq!(done.err(), "");
    }
    let version = run(&["--version"]).out();
    assert!(
        version.starts_with(concat!("pulldoctor ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
}

#[test]
fn as_a_plugin_it_is_kubectl_pulldoctor() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("kubectl-pulldoctor");
    std::fs::copy(assert_cmd::cargo::cargo_bin!("pulldoctor"), &plugin).expect("a copy");
    let output = assert_cmd::Command::new(&plugin)
        .env_clear()
        .arg("--help")
        .output()
        .expect("runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.contains("Usage: kubectl pulldoctor [diagnose] [TARGET]..."),
        "{text}"
    );
}

const NOT_FOUND: &str = "Back-off pulling image \"registry.example.com/shop/api:v1.4.2\": \
    ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \
    \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \
    \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found";

#[test]
fn a_message_is_read() {
    let done = run(&["explain", NOT_FOUND]);
    assert_eq!(done.code(), 0);
    insta::assert_snapshot!(done.out(), @r#"
    error[image-not-found-tag]: `registry.example.com/shop/api` has no      possible
      tag `v1.4.2`, or does not exist at all
       |
       | …failed to resolve reference "registry.example.com/shop/api:v1.4.2":
       | registry.example.com/shop/api:v1.4.2: not found
       |
       = read  runtime containerd  stage resolve  registry registry.example.com
       = or    the repository does not exist (image-not-found-repo)
    help:
      - Compare the tag with those that the registry lists.
      - Set the image to a tag that exists: `kubectl set image deployment/api
        api=REPO:TAG`.
      - If it worked before, go back: `kubectl rollout undo deployment/api`.

    pulldoctor explain image-not-found-tag says how it is told from others
    "#);
}

#[test]
fn a_message_for_programs() {
    let done = run(&["explain", "-o", "json", NOT_FOUND]);
    assert_eq!(done.code(), 0);
    let document: serde_json::Value = serde_json::from_str(&done.out()).expect("JSON");
    assert_eq!(document["schema"], "pulldoctor.dev/reading/v1");
    assert_eq!(document["message"], NOT_FOUND);
    assert_eq!(document["cause"], "image-not-found-tag");
    assert_eq!(document["confidence"], "possible");
    assert_eq!(document["facts"]["runtime"], "containerd");
    assert_eq!(document["facts"]["registry"], "registry.example.com");
    assert!(document["facts"]["status"].is_null());
    assert!(document["rivals"][0]["cause"].is_string());
}

#[test]
fn one_document_a_line_in_the_same_order() {
    let mut input = Vec::new();
    for number in 0..2000 {
        writeln!(input, "message {number}").expect("memory");
    }
    input.extend_from_slice(b"\n\xff\xfe not UTF-8\nlast, without an end");
    let done = Run::new(&["explain", "-o", "json", "-"])
        .stdin(input)
        .done();
    assert_eq!(done.code(), 0);
    let messages: Vec<String> = done
        .out()
        .lines()
        .map(|line| {
            let document: serde_json::Value = serde_json::from_str(line).expect("JSON");
            for key in [
                "schema",
                "message",
                "cause",
                "confidence",
                "rivals",
                "facts",
            ] {
                assert!(document.get(key).is_some(), "{line}");
            }
            for key in ["runtime", "operation", "registry", "status"] {
                assert!(document["facts"].get(key).is_some(), "{line}");
            }
            document["message"].as_str().expect("a text").to_owned()
        })
        .collect();
    assert_eq!(messages.len(), 2003);
    assert_eq!(messages[1999], "message 1999");
    assert_eq!(messages[2000], "");
    assert_eq!(messages[2001], "\u{fffd}\u{fffd} not UTF-8");
    assert_eq!(messages[2002], "last, without an end");
}

#[test]
fn a_pasted_description_shows_the_line_that_tells() {
    let text = "Name: api-6c9f\nNamespace: shop\nEvents:\n  Normal  Pulling  40s  kubelet  Pulling image \"r.example.com/a:1\"\n  Warning  Failed  40s  kubelet  Failed to pull image \"r.example.com/a:1\": failed to pull and unpack image \"r.example.com/a:1\": failed to resolve reference \"r.example.com/a:1\": failed to do request: Head \"https://r.example.com/v2/a/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority\n  Warning  Failed  40s  kubelet  Error: ErrImagePull\n  Normal  BackOff  10s  kubelet  Back-off pulling image \"r.example.com/a:1\"\n";
    let done = Run::new(&["explain", "-"]).stdin(text).done();
    assert_eq!(done.code(), 0);
    assert!(
        done.out().starts_with("error[tls-unknown-authority]: "),
        "{}",
        done.out()
    );
    assert!(
        done.out().contains("x509: certificate signed by unknown"),
        "{}",
        done.out()
    );
    let coloured = text.replace("x509:", "\u{1b}[1;31mx509:\u{1b}[0m");
    let done = Run::new(&["explain", "-"]).stdin(coloured).done();
    assert!(
        done.out().contains("x509: certificate signed by unknown"),
        "{}",
        done.out()
    );
    let nothing = Run::new(&["explain", "-"]).stdin(" \n").done();
    assert!(
        nothing
            .refused()
            .starts_with("error: cannot read a message"),
        "{}",
        nothing.err()
    );
}

#[test]
fn no_input_no_document() {
    let done = Run::new(&["explain", "-o", "json", "-"]).stdin("").done();
    assert_eq!((done.code(), done.out().as_str()), (0, ""));
}

#[test]
fn an_answer_comes_before_the_input_ends() {
    use std::io::{BufRead as _, BufReader};

    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pulldoctor"))
        .args(["explain", "-o", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    for text in ["first", "second"] {
        writeln!(input, "{text}").expect("written");
        let mut line = String::new();
        output.read_line(&mut line).expect("an answer");
        assert!(line.contains(text), "{line}");
    }
    drop(input);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn the_knowledge_base() {
    let list = run(&["explain"]).out();
    for id in pulldoctor_model::CauseId::ALL {
        assert!(list.contains(id.as_str()), "{id}");
        let page = run(&["explain", id.as_str()]);
        assert_eq!(page.code(), 0);
        assert!(page.out().starts_with(id.as_str()), "{}", page.out());
    }
    assert!(
        run(&["explain", "faq"])
            .out()
            .starts_with("Questions about image pulls\n")
    );
    assert!(
        run(&["explain", "method"])
            .out()
            .starts_with("How pulldoctor asks\n")
    );
    assert!(
        run(&["explain", "ImagePullBackOff"])
            .out()
            .contains("one fault, seen at two moments")
    );
}

#[test]
fn nothing_is_wider_than_eighty_columns() {
    for arguments in [
        &["explain"][..],
        &["explain", "faq"],
        &["explain", "method"],
    ] {
        for line in run(arguments).out().lines() {
            let is_code = line.starts_with("      ") && line.contains("kubectl");
            assert!(is_code || line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn colour_only_where_it_is_wanted() {
    let plain = run(&["explain", "faq"]).out();
    assert!(!plain.contains('\u{1b}'));
    let forced = Run::new(&["explain", "faq"])
        .env("CLICOLOR_FORCE", "1")
        .done()
        .out();
    assert!(forced.contains('\u{1b}'));
    let refused = Run::new(&["explain", "faq"])
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .done()
        .out();
    assert_eq!(refused, plain);
    assert!(
        run(&["explain", "faq", "--color", "always"])
            .out()
            .contains('\u{1b}')
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&["explain", "faq"][..], &["explain", "-o", "json", "-"]] {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pulldoctor"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        drop(child.stdout.take());
        let mut input = child.stdin.take().expect("a pipe");
        // The program may have ended before it has read all of this.
        let _ = input.write_all("message\n".repeat(1000).as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(
            run(&["completions", shell]).out().contains("pulldoctor"),
            "{shell}"
        );
    }
    assert!(
        run(&["completions", "kubectl"])
            .out()
            .contains("__complete")
    );
    insta::assert_snapshot!(run(&["__complete", "--", "explain", "disk-"]).out(), @"
    disk-full	the node's disk has no space left
    disk-io-error	the node's disk fails or is read-only
    :4
    ");
}

#[test]
fn a_demo_needs_nothing() {
    let done = run(&["demo"]);
    assert_eq!(done.code(), 0);
    assert!(done.out().contains("\nerror["), "{}", done.out());
    assert!(done.out().contains("demo --list"));
    let list = run(&["demo", "--list"]).out();
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(!names.is_empty());
    let document = run(&["demo", names[0], "-o", "json"]);
    assert_eq!(document.code(), 0);
    let document: serde_json::Value = serde_json::from_str(&document.out()).expect("JSON");
    assert_eq!(document["schema"], "pulldoctor.dev/report/v1");
    let every = run(&["demo", "--all", "-o", "ndjson"]).out();
    assert_eq!(
        every
            .lines()
            .filter(|line| line.contains("\"type\":\"end\""))
            .count(),
        names
            .iter()
            .filter(|name| !name.starts_with("live-"))
            .count()
    );
}

#[test]
fn a_live_demo_is_probed_for_real() {
    let done = run(&["demo", "live-bad-login"]);
    assert_eq!(done.code(), 0);
    insta::with_settings!({filters => vec![
        (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT"),
        (r"port \d{4,5}", "port PORT"),
        (r" +\d+ ms  ", "    N ms  "),
    ]}, {
        insta::assert_snapshot!(done.out(), @r"
        live-bad-login (here and now, a registry on a loopback port)
          The password of ci-bot was changed, and the old one is still sent.

        127.0.0.1:PORT/shop/api:v1.4.1  for linux/amd64  with a login

          dns       SKIPPED          `127.0.0.1` is an address
          proxy     SKIPPED          none is set
          tcp       OK    N ms  connected to 127.0.0.1 port PORT
          tls       SKIPPED          plain HTTP
          http      OK    N ms  401: a login is wanted (bearer
                                     http://127.0.0.1:PORT/token)
          token     FAILED    N ms  unexpected status from GET request to
                                     http://127.0.0.1:PORT/token: 401: unauthorized:
                                     incorrect username or password
          manifest  SKIPPED          not reached
          platform  SKIPPED          not reached
          config    SKIPPED          not reached
          layers    SKIPPED          not reached

        error[auth-bad-credentials]: `127.0.0.1:PORT` refuses user `ci-bot`      proven
          of the demo
           = credential  the demo (user ci-bot): refused
                         anonymous: refused
        help:
          - Try the login yourself: `docker login HOST`.
          - Write the secret again. `echo user:password | base64` puts a line end into
            the password; `kubectl create secret docker-registry` does not.

        pulldoctor explain auth-bad-credentials says how it is told from others
        ");
    });
    let document = run(&["demo", "live-damaged-layer", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document.out()).expect("JSON");
    assert_eq!(document["schema"], "pulldoctor.dev/probe/v1");
    assert_eq!(document["cause"], "corrupted-content");
    // What is shown first needs nothing either.
    assert!(run(&["demo"]).out().contains("\nlive-missing-tag "));
}

#[test]
fn no_kubeconfig() {
    let done = run(&[]);
    let text = done
        .refused()
        .replace(&std::env::temp_dir().display().to_string(), "TMP");
    assert!(
        text.starts_with("error: cannot find a kubeconfig"),
        "{text}"
    );
    assert!(
        text.contains("help: `pulldoctor demo` needs no cluster"),
        "{text}"
    );
}

#[test]
fn a_kubeconfig_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(&file, "clusters: [").expect("written");
    let done = run(&["--kubeconfig", &file.display().to_string()]);
    assert!(
        done.refused().starts_with("error: cannot read kubeconfig"),
        "{}",
        done.err()
    );
}

#[test]
fn a_target_of_no_kind() {
    insta::assert_snapshot!(run(&["depl/api"]).refused(), @"
    error: cannot read target `depl/api`: `depl` is no kind of object that has pods
    help: did you mean `deployment/…`? one of pod/x, deploy/x, sts/x, ds/x, rs/x,
          rc/x, job/x, cronjob/x
    ");
}

#[test]
fn a_cluster_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    // A port that nothing listens on: bound and closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\n\
         clusters: [{{name: gone, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         contexts: [{{name: gone, context: {{cluster: gone, user: gone}}}}]\n\
         users: [{{name: gone, user: {{}}}}]\n"
    );
    std::fs::write(&file, config).expect("written");
    for format in ["human", "json", "yaml", "ndjson"] {
        let done = run(&[
            "-A",
            "-o",
            format,
            "--kubeconfig",
            &file.display().to_string(),
        ]);
        assert_eq!(done.code(), 4, "{}", done.err());
        assert_eq!(done.out(), "");
        assert!(
            done.err()
                .starts_with("error: cannot list pods of context `gone`\ncaused by: "),
            "{}",
            done.err()
        );
        assert!(done.err().contains("\nhelp: "), "{}", done.err());
    }
}
