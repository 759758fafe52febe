//! Passwords planted wherever one can be; not four characters of one come out anywhere.

#![expect(clippy::unwrap_used, reason = "a test, also outside of test functions")]

mod common;

use common::encode;
use pulldoctor_keyring::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, Keyring, PullSecret,
    Secret, examine, facts,
};
use pulldoctor_reference::Reference;

const CANARY: &str = "zQ7xW9kD_vJ4";
const OTHER: &str = "Hj8pL2mN-tR6";

/// Everything that can be printed about a secret.
fn outputs(secret: &PullSecret, image: &str) -> Vec<String> {
    let image = Reference::parse(image).unwrap();
    let verdict = examine(secret, &image);
    let all = facts(&[Ok(secret.clone())], &image);
    let mut out = vec![
        format!("{secret:?}"),
        format!("{verdict:?}"),
        serde_json::to_string(&verdict).unwrap(),
        format!("{all:#?}"),
        serde_json::to_string_pretty(&all).unwrap(),
    ];
    match Keyring::new([secret]) {
        Ok(keyring) => {
            out.push(format!("{keyring:?}"));
            for found in keyring.lookup(&image.repo()) {
                out.push(format!(
                    "{found:?} {} {}",
                    found.password(),
                    found.shown_key()
                ));
                out.push(serde_json::to_string(found.password()).unwrap());
            }
        }
        Err(error) => {
            out.push(format!("{error} {error:?} {:?}", error.kubelet_text()));
        }
    }
    out
}

/// The parts of the planted texts, and of their base64, that must not be seen.
fn traces() -> Vec<String> {
    let mut traces = Vec::new();
    for canary in [CANARY, OTHER] {
        for start in 0..=canary.len() - 4 {
            traces.push(canary[start..start + 4].to_owned());
        }
        for shift in ["", "x", "xx"] {
            let encoded = encode(format!("{shift}{canary}").as_bytes());
            // Without the first block, which is not of the canary alone.
            for start in 4..encoded.len().saturating_sub(8) {
                traces.push(encoded[start..start + 8].to_owned());
            }
        }
        // As Debug of bytes would print it.
        let bytes: Vec<String> = canary.bytes().map(|byte| byte.to_string()).collect();
        traces.push(bytes[2..6].join(", "));
    }
    traces
}

fn check(secret: &PullSecret, traces: &[String], what: &str) {
    for image in ["a.io/shop/api:1", "nginx", "ZQ7.io:5000/x"] {
        for output in outputs(secret, image) {
            for trace in traces {
                assert!(!output.contains(trace), "{trace} of {what} in {output}");
            }
        }
    }
}

fn config(config: &str) -> PullSecret {
    PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with(DOCKER_CONFIG_JSON_KEY, config)
}

/// Entries with the canary in every place that people put a password.
fn entries() -> Vec<String> {
    let auth = encode(format!("ci-bot:{CANARY}").as_bytes());
    let swapped = encode(format!("{CANARY}:ci-bot").as_bytes());
    let mut entries = vec![
        format!(r#"{{"username":"ci-bot","password":"{CANARY}"}}"#),
        format!(r#"{{"auth":"{auth}"}}"#),
        format!(r#"{{"username":"bob","password":"{OTHER}","auth":"{auth}"}}"#),
        format!(r#"{{"username":"{OTHER}","password":"{OTHER}","auth":"{auth}"}}"#),
        format!(r#"{{"username":"{CANARY}","auth":"{auth}"}}"#),
        format!(r#"{{"username":"{CANARY}","password":"{CANARY}"}}"#),
        format!(r#"{{"username":"ci-bot {CANARY}","password":"{CANARY}"}}"#),
        format!(r#"{{"username":"ghp_{CANARY}","password":"x-oauth-basic"}}"#),
        format!(r#"{{"username":"ghp_{CANARY}"}}"#),
        format!(r#"{{"auth":"ci-bot:{CANARY}"}}"#),
        format!(r#"{{"auth":"{CANARY}"}}"#),
        format!(r#"{{"username":"{CANARY}","auth":"{CANARY}"}}"#),
        format!(r#"{{"auth":"{}"}}"#, encode(auth.as_bytes())),
        format!(r#"{{"auth":"{}"}}"#, encode(CANARY.as_bytes())),
        format!(r#"{{"auth":"{}"}}"#, auth.trim_end_matches('=')),
        format!(r#"{{"auth":"Basic {auth}"}}"#),
        format!(r#"{{"identitytoken":"{CANARY}","registrytoken":"{OTHER}"}}"#),
        format!(r#"{{"email":"{CANARY}"}}"#),
        format!(r#"{{"password":["{CANARY}"]}}"#),
        format!(r#""{CANARY}""#),
    ];
    for blemished in [
        "{}\\n",
        " {}",
        "\\\"{}\\\"",
        "'{}'",
        "${{}}",
        "<{}>",
        "{}\\u0007",
        "\u{feff}{}",
    ] {
        let password = blemished.replace("{}", CANARY);
        entries.push(format!(
            r#"{{"username":"ci-bot","password":"{password}"}}"#
        ));
    }
    // The password first is nobody's mistake that could be told from a name; but twice it is.
    entries.push(format!(r#"{{"password":"{CANARY}","auth":"{swapped}"}}"#));
    entries
}

#[test]
fn no_password_comes_out() {
    let traces = traces();
    for entry in entries() {
        for key in ["a.io", "https://index.docker.io/v1/", "b.io", "a b"] {
            let json = format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
            check(&config(&json), &traces, &json);
            let legacy = format!(r#"{{"{key}":{entry}}}"#);
            let secret =
                PullSecret::new("shop", "regcred", DOCKER_CFG).with(DOCKER_CFG_KEY, legacy.clone());
            check(&secret, &traces, &legacy);
            check(&config(&legacy), &traces, &legacy);
            let opaque = PullSecret::new("shop", "regcred", "Opaque")
                .with("config.json", json.clone())
                .with("password", CANARY);
            check(&opaque, &traces, &json);
        }
    }
}

#[test]
fn no_password_comes_out_of_a_key() {
    let traces = traces();
    for key in [
        format!("https://ci-bot:{CANARY}@a.io"),
        format!("ci-bot:{CANARY}@a.io"),
        format!("ci-bot:{}/{}@a.io", &CANARY[..6], &CANARY[6..]),
        format!("ci-bot:12/{CANARY}@a.io"),
        format!("https://ci-bot:12/{CANARY}@a.io/shop"),
        format!("ci-bot:{CANARY}://x@a.io"),
        format!("ci-bot:12?{CANARY}@a.io"),
        format!("ci-bot:12#{CANARY}@a.io"),
        format!("a.io/?token={CANARY}"),
        format!("a.io/#{CANARY}"),
        format!("oci://ci-bot:{CANARY}@a.io"),
        format!(" ci-bot:{CANARY}@a.io"),
        format!("{CANARY}@a.io"),
        format!("ghp_{CANARY}"),
    ] {
        let json = format!(r#"{{"auths":{{"{key}":{{"username":"u","password":"{OTHER}"}}}}}}"#);
        check(&config(&json), &traces, &json);
    }
}

#[test]
fn no_password_comes_out_of_a_broken_config() {
    let traces = traces();
    let auth = encode(format!("ci-bot:{OTHER}").as_bytes());
    let good = format!(
        r#"{{"auths":{{"a.io":{{"username":"u","password":"{CANARY}"}},"b.io":{{"auth":"{auth}"}}}}}}"#
    );
    for at in 0..good.len() {
        check(&config(&good[..at]), &traces, &good[..at]);
        for byte in ["\"", "{", "}", ":", ",", "\\", "'", "=", " ", "\n", ""] {
            let broken = format!("{}{byte}{}", &good[..at], &good[at + 1..]);
            check(&config(&broken), &traces, &broken);
        }
    }
    for text in [
        format!("ci-bot:{CANARY}"),
        CANARY.to_owned(),
        format!("password={CANARY}"),
        encode(good.as_bytes()),
        format!("{good:?}"),
    ] {
        check(&config(&text), &traces, &text);
    }
}

#[test]
fn one_quoted_character_is_left_out() {
    let error = Keyring::new([&config("{\"a\":\"b\"Z}")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid character … after object key:value pair"
    );
    assert!(!format!("{error:?}").contains("90"));
    assert_eq!(
        error.kubelet_text().expose(),
        "invalid character 'Z' after object key:value pair"
    );
    assert_eq!(error.kubelet_text().to_string(), "[redacted]");
}

#[test]
fn secrets_redact_themselves() {
    let secret = Secret::new(CANARY.to_owned());
    assert_eq!(
        format!("{secret} {secret:?} {secret:#?}"),
        "[redacted] [redacted] [redacted]"
    );
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
    let bytes = Secret::new(CANARY.as_bytes().to_vec());
    assert_eq!(format!("{bytes} {bytes:?}"), "[redacted] [redacted]");
}
