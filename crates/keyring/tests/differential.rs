//! Holds the keyring against the kubelet's own code, on a few hundred thousand pairs of secrets
//! and an image.
//!
//! The oracle is `lab/go/kube/cmd/keyringcheck`, which calls `secrets.MakeDockerKeyring` of
//! Kubernetes 1.37; the variable `PULLDOCTOR_KEYRINGCHECK` may name it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, also outside of test functions"
)]

mod common;
mod generator;
#[path = "../../reference/tests/oracle/mod.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::encode;
use generator::{Case, Generator, Made};
use pulldoctor_keyring::{
    Credential, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, Keyring, PullSecret, normal_key,
};
use serde::{Deserialize, Serialize};

const GENERATED: usize = 200_000;
const SEED: u64 = 0x6b_65_79_73;

/// One line for the oracle.
#[derive(Debug, Serialize)]
struct Question {
    secrets: Vec<Encoded>,
    image: String,
}

#[derive(Debug, Serialize)]
struct Encoded {
    r#type: String,
    data: BTreeMap<String, String>,
}

/// One line of the oracle; username and password in base64.
#[derive(Debug, Deserialize)]
struct Answer {
    error: String,
    creds: Vec<Sent>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Sent {
    username: String,
    password: String,
    source: usize,
}

/// What we send, with the key under which it is held.
#[derive(Debug)]
struct Ours {
    sent: Sent,
    key: Vec<u8>,
}

fn question(case: &Case) -> Question {
    Question {
        secrets: case
            .secrets
            .iter()
            .map(|made| Encoded {
                r#type: made.kind.clone(),
                data: made
                    .data
                    .iter()
                    .map(|(key, value)| (key.clone(), encode(value)))
                    .collect(),
            })
            .collect(),
        image: case.image.clone(),
    }
}

fn ours(case: &Case) -> Result<Vec<Ours>, String> {
    let secrets: Vec<PullSecret> = case.secrets.iter().map(pull_secret).collect();
    let keyring = Keyring::new(&secrets).map_err(|error| error.kubelet_text().expose().clone())?;
    Ok(keyring
        .lookup(&case.image)
        .into_iter()
        .map(|credential: &Credential| Ours {
            sent: Sent {
                username: encode(credential.username()),
                password: encode(credential.password().expose()),
                source: credential.secret(),
            },
            key: normal_key(credential.key()).unwrap(),
        })
        .collect())
}

fn pull_secret(made: &Made) -> PullSecret {
    made.data.iter().fold(
        PullSecret::new("shop", "regcred", &made.kind),
        |secret, (key, value)| secret.with(key, value.clone()),
    )
}

/// Equal credentials in equal order. Where two entries of one secret are held under one key, Go's
/// map decides: there, and only there, their order is left open.
fn agree(ours: &Result<Vec<Ours>, String>, oracle: &Answer) -> bool {
    let ours = match ours {
        Err(text) => return *text == oracle.error,
        Ok(_) if !oracle.error.is_empty() => return false,
        Ok(ours) => ours,
    };
    if ours.len() != oracle.creds.len() {
        return false;
    }
    let mut at = 0;
    for run in ours.chunk_by(|a, b| a.key == b.key && a.sent.source == b.sent.source) {
        let mut here: Vec<&Sent> = run.iter().map(|ours| &ours.sent).collect();
        let mut there: Vec<&Sent> = oracle.creds[at..at + run.len()].iter().collect();
        at += run.len();
        here.sort();
        there.sort();
        if here != there {
            return false;
        }
    }
    true
}

#[test]
fn keyring_agrees_with_the_kubelet() {
    let Some(oracle) = oracle::find_or_skip("keyringcheck", "differential keyring test") else {
        return;
    };
    let mut cases = every_byte();
    let mut generator = Generator::new(SEED);
    cases.extend((0..GENERATED).map(|_| generator.case()));

    let questions: Vec<Question> = cases.iter().map(question).collect();
    let answers: Vec<Answer> = oracle::ask(&oracle, &questions);

    let (mut found, mut failed, mut several, mut open) = (0, 0, 0, 0);
    let (mut differing, mut report) = (0, String::new());
    for (case, oracle) in cases.iter().zip(&answers) {
        let ours = ours(case);
        found += usize::from(!oracle.creds.is_empty());
        failed += usize::from(!oracle.error.is_empty());
        several += usize::from(oracle.creds.len() > 1);
        open += usize::from(ours.as_ref().is_ok_and(|ours| {
            ours.windows(2)
                .any(|two| two[0].key == two[1].key && two[0].sent.source == two[1].sent.source)
        }));
        if !agree(&ours, oracle) {
            differing += 1;
            if differing <= 10 {
                writeln!(report, "image {:?}", case.image).unwrap();
                for made in &case.secrets {
                    for (key, value) in &made.data {
                        let value = value.escape_ascii();
                        writeln!(report, "  {:?} {key:?} {value}", made.kind).unwrap();
                    }
                }
                writeln!(report, "  ours   {ours:?}\n  oracle {oracle:?}").unwrap();
            }
        }
    }
    assert_eq!(differing, 0, "of {} cases differ:\n{report}", cases.len());
    // A generator whose secrets are all broken, or all of them good, would prove little.
    let share = |count: usize| count * 100 / cases.len();
    for (what, count, least) in [
        ("find a credential", found, 25),
        ("find several", several, 8),
        ("have no keyring", failed, 8),
    ] {
        assert!(share(count) >= least, "{} % {what}", share(count));
    }
    oracle::say(&format!(
        "differential keyring test: {} cases, {found} find credentials ({several} several, \
         {open} of them in an order that Go leaves open), {failed} fail; no difference",
        cases.len()
    ));
}

/// Every byte at every kind of place where one decides: in a key, in an image, in `auth`, and
/// between the tokens of the JSON.
fn every_byte() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |config: Vec<u8>, image: String| {
        cases.push(Case {
            secrets: vec![Made {
                kind: DOCKER_CONFIG_JSON.to_owned(),
                data: BTreeMap::from([(DOCKER_CONFIG_JSON_KEY.to_owned(), config)]),
            }],
            image,
        });
    };
    let around = |before: &[u8], byte: u8, after: &[u8]| [before, &[byte], after].concat();
    for byte in 0..=u8::MAX {
        let image = "a.b:5/c/d".to_owned();
        let end = br#"":{"username":"u","password":"p"}}}"#;
        for (before, after) in [
            (&br#"{"auths":{"a"#[..], &b".b:5"[..]),
            (br#"{"auths":{""#, b"a.b:5"),
            (br#"{"auths":{""#, b"@a.b:5"),
            (br#"{"auths":{"a.b:5"#, b""),
            (br#"{"auths":{"a.b:5/c"#, b""),
            (br#"{"auths":{"a.b:5/c%"#, b"f"),
            (br#"{"auths":{"[::1]"#, b":5"),
            (br#"{"auths":{"[::"#, b"1]"),
            (br#"{"auths":{"a.b:5/\"#, b"0041"),
        ] {
            let after = [after, &end[..]].concat();
            add(around(before, byte, &after), image.clone());
        }
        for (before, after) in [
            (&br#"{"auths":{"a.b:5":{"auth":"YTpi"#[..], &br#""}}}"#[..]),
            (br#"{"auths":{"a.b:5":{"auth":"YTpiY"#, br#"=="}}}"#),
            (br#"{"auths":{"a.b:5":{"auth":"YTpiYw="#, br#""}}}"#),
            (br#"{"auths":{"a.b:5":{"auth":""#, br#""}}}"#),
            (b"", br#"{"auths":{}}"#),
            (br#"{"auths":{}}"#, b""),
            (br#"{"auths":{}}"#, b"x"),
            (b"{", br#""auths":{}}"#),
            (br#"{"auths""#, b":{}}"),
            (br#"{"auths":"#, b"{}}"),
            (br#"{"auths":{}"#, b"}"),
            (br#"{"auths":{"a.b:5":1"#, b"}}"),
            (br#"{"auths":{"a.b:5":0"#, b"}}"),
            (br#"{"auths":{"a.b:5":-"#, b"}}"),
            (br#"{"auths":{"a.b:5":1."#, b"}}"),
            (br#"{"auths":{"a.b:5":1.5"#, b"}}"),
            (br#"{"auths":{"a.b:5":1e"#, b"}}"),
            (br#"{"auths":{"a.b:5":1e+"#, b"}}"),
            (br#"{"auths":{"a.b:5":1e5"#, b"}}"),
            (br#"{"auths":{"a.b:5":[]"#, b"}}"),
            (br#"{"auths":{"a.b:5":["#, b"]}}"),
            (br#"{"auths":{"a.b:5":[1"#, b"]}}"),
            (br#"{"auths":{"a.b:5":[1,"#, b"]}}"),
            (br#"{"auths":{"a.b:5":t"#, b"ue}}"),
            (br#"{"auths":{"a.b:5":tr"#, b"e}}"),
            (br#"{"auths":{"a.b:5":f"#, b"lse}}"),
            (br#"{"auths":{"a.b:5":n"#, b"ll}}"),
            (br#"{"auths":{"a.b:5":null"#, b"}}"),
            (br#"{"auths":{"\u00"#, b"1\":null}}"),
            (br#"{"auths":{"\"#, b"\":null}}"),
            (br#"{"auths":{"a.b:5":{},"#, b"}}"),
        ] {
            add(around(before, byte, after), image.clone());
        }
        let good = br#"{"auths":{"a.b:5":{"auth":"YTpi"},"index.docker.io":{}}}"#;
        if let Ok(text) = str::from_utf8(&[byte]) {
            for (before, after) in [
                ("a", ".b:5/c"),
                ("", "a.b:5/c"),
                ("a.b:5/", "c"),
                ("a.b:5", "/c"),
            ] {
                add(good.to_vec(), format!("{before}{text}{after}"));
            }
        }
    }
    for depth in [9_997, 9_998, 9_999, 10_000, 10_001] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for config in [
            nested.clone(),
            format!("{{\"auths\":{nested}}}"),
            format!("{{\"auths\":{{\"a\":{nested}}}}}"),
            format!("{{\"other\":{nested},\"auths\":{{\"a.b\":null}}}}"),
        ] {
            add(config.into_bytes(), "a.b/c".to_owned());
        }
    }
    cases
}
