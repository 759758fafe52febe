//! Every fault, the characters it points at, the kubelet's words for it, and what was meant.

#![expect(clippy::unwrap_used, reason = "a test, also outside of test functions")]

use pulldoctor_reference::{Algorithm, Dialect, Fault, Reference, suggestion, suggestion_as};

const FORMAT: &str = "invalid reference format";
const HEX: &str = "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

/// Asserts fault, pointed-at text and the kubelet's text of `input`.
#[track_caller]
fn assert_fault(input: &str, fault: &Fault, pointed: &str, text: &str) {
    let error = Reference::parse(input).unwrap_err();
    assert_eq!(error.fault(), fault, "{input:?}");
    assert_eq!(error.span().of(input), Some(pointed), "{input:?}");
    assert_eq!(error.kubelet_text(), text, "{input:?}");
}

fn uppercase(name: &str) -> String {
    format!("invalid reference format: repository name ({name}) must be lowercase")
}

#[test]
fn empty_input_is_a_fault() {
    assert_fault("", &Fault::Empty, "", FORMAT);
}

#[test]
fn names_in_upper_case_are_pointed_at() {
    let fault = Fault::UppercaseRepository;
    assert_fault("Nginx", &fault, "N", &uppercase("library/Nginx"));
    assert_fault("shop/API:1", &fault, "API", &uppercase("shop/API"));
    assert_fault("ghcr.io/shop/myApp", &fault, "A", &uppercase("shop/myApp"));
}

#[test]
fn unfilled_templates_come_before_all_else() {
    assert_fault(
        "${IMAGE}",
        &Fault::Template,
        "${IMAGE}",
        &uppercase("library/${IMAGE}"),
    );
    assert_fault("shop/api:${TAG}", &Fault::Template, "${TAG}", FORMAT);
    assert_fault("shop/api:$(TAG)", &Fault::Template, "$(TAG)", FORMAT);
    assert_fault("shop/api:$TAG", &Fault::Template, "$TAG", FORMAT);
    assert_fault(
        "shop/api:<no value>",
        &Fault::Template,
        "<no value>",
        FORMAT,
    );
    assert_fault(
        "shop/api:{{ .tag }}",
        &Fault::Template,
        "{{ .tag }}",
        FORMAT,
    );
    assert_fault(
        "shop/api:${{ env.tag }}",
        &Fault::Template,
        "${{ env.tag }}",
        FORMAT,
    );
    assert_fault("shop/api:%TAG%", &Fault::Template, "%TAG%", FORMAT);
    assert_fault(
        "shop/api:%!s(<nil>)",
        &Fault::Template,
        "%!s(<nil>)",
        FORMAT,
    );
    assert_fault("shop/api:${TAG", &Fault::Template, "${TAG", FORMAT);
}

#[test]
fn schemes_are_pointed_at() {
    assert_fault(
        "https://ghcr.io/shop/api",
        &Fault::Scheme,
        "https://",
        FORMAT,
    );
    assert_fault("docker://nginx", &Fault::Scheme, "docker://", FORMAT);
    assert_fault("  http://nginx", &Fault::Scheme, "http://", FORMAT);
}

#[test]
fn blanks_and_invisible_characters_are_pointed_at() {
    assert_fault("nginx:1 ", &Fault::Whitespace, " ", FORMAT);
    assert_fault("nginx\r\n", &Fault::Whitespace, "\r\n", FORMAT);
    let invisible = Fault::InvisibleCharacter {
        character: '\u{200b}',
    };
    assert_fault("nginx\u{200b}:1", &invisible, "\u{200b}", FORMAT);
    let escape = Fault::InvisibleCharacter {
        character: '\u{1b}',
    };
    assert_fault("nginx\u{1b}[31m", &escape, "\u{1b}", FORMAT);
    assert_eq!(escape.to_string(), "invisible character U+001B");
}

#[test]
fn hosts_are_pointed_at() {
    let underscore = Fault::HostCharacter { character: '_' };
    assert_fault("my_host:5000/api", &underscore, "_", FORMAT);
    assert_fault("ghcr.io./api", &Fault::HostLabel, ".", FORMAT);
    assert_fault("ghcr..io/api", &Fault::HostLabel, ".", FORMAT);
    assert_fault("-a.io/api", &Fault::HostLabel, "-", FORMAT);
    assert_fault("a-.io/api", &Fault::HostLabel, "-", FORMAT);
    assert_fault("ghcr.io:http/api", &Fault::Port, "http", FORMAT);
    assert_fault("ghcr.io:/api", &Fault::Port, ":", FORMAT);
    assert_fault("[::1]5/api", &Fault::Port, "5", FORMAT);
    assert_fault("fc00::1:5000/api", &Fault::Ipv6Host, "fc00::1:5000", FORMAT);
    assert_fault(
        "[fe80::1%eth0]/api",
        &Fault::Ipv6Host,
        "[fe80::1%eth0]",
        FORMAT,
    );
    // Upper case that only the whole grammar meets: the kubelet has another text for it.
    let text = "repository name must be lowercase";
    assert_fault("My_Host/api", &underscore, "_", text);
}

#[test]
fn repositories_are_pointed_at() {
    assert_fault("ghcr.io/", &Fault::MissingRepository, "/", FORMAT);
    assert_fault(":1", &Fault::MissingRepository, ":", FORMAT);
    assert_fault(
        &format!("@sha256:{HEX}"),
        &Fault::MissingRepository,
        "@",
        FORMAT,
    );
    assert_fault("shop//api", &Fault::EmptyComponent, "/", FORMAT);
    assert_fault("/api", &Fault::EmptyComponent, "/", FORMAT);
    assert_fault("shop/api/", &Fault::EmptyComponent, "/", FORMAT);
    assert_fault("shop/a..b", &Fault::Separator, "..", FORMAT);
    assert_fault("shop/a___b", &Fault::Separator, "___", FORMAT);
    assert_fault("-api", &Fault::Separator, "-", FORMAT);
    assert_fault("api-:1", &Fault::Separator, "-", FORMAT);
    let accent = Fault::RepositoryCharacter { character: 'é' };
    assert_fault("shop/café", &accent, "é", FORMAT);
    let text =
        format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings");
    assert_fault(HEX, &Fault::HexName, HEX, &text);
    let text = "repository name must not be more than 255 characters";
    let long = format!("ghcr.io/{}", "a".repeat(258));
    assert_fault(
        &long,
        &Fault::RepositoryTooLong { length: 258 },
        "aaa",
        text,
    );
    // `library/` counts.
    let long = "a".repeat(248);
    assert_fault(&long, &Fault::RepositoryTooLong { length: 256 }, "a", text);
}

#[test]
fn tags_are_pointed_at() {
    assert_fault("api:", &Fault::EmptyTag, ":", FORMAT);
    assert_fault("api:-1", &Fault::TagStart { character: '-' }, "-", FORMAT);
    assert_fault(
        "api:1+2",
        &Fault::TagCharacter { character: '+' },
        "+",
        FORMAT,
    );
    assert_fault(
        "api:日本",
        &Fault::TagCharacter { character: '日' },
        "日",
        FORMAT,
    );
    assert_fault("api:1:2", &Fault::SecondTag, ":2", FORMAT);
    let long = format!("api:{}zz", "a".repeat(128));
    assert_fault(&long, &Fault::TagTooLong { length: 130 }, "zz", FORMAT);
    // The Kelvin sign lower-cases to a plain k, and the kubelet blames the repository.
    let kelvin = Fault::TagCharacter {
        character: '\u{212a}',
    };
    assert_fault(
        "api:\u{212a}",
        &kelvin,
        "\u{212a}",
        "repository name must be lowercase",
    );
}

#[test]
fn digests_are_pointed_at() {
    let short = "0123456789abcdef0123456789abcdef";
    let length = Fault::DigestLength {
        algorithm: Algorithm::Sha256,
        found: 32,
    };
    let text = "invalid checksum digest length";
    assert_fault(&format!("api@sha256:{short}"), &length, short, text);
    let length = Fault::DigestLength {
        algorithm: Algorithm::Sha256,
        found: 65,
    };
    assert_fault(&format!("api@sha256:{HEX}7"), &length, "7", text);
    let length = Fault::DigestLength {
        algorithm: Algorithm::Sha256,
        found: 4,
    };
    assert_fault("api@sha256:abcd", &length, "abcd", FORMAT);
    let length = Fault::DigestLength {
        algorithm: Algorithm::Sha256,
        found: 0,
    };
    assert_fault("api@sha256:", &length, ":", FORMAT);

    let text = "unsupported digest algorithm";
    assert_fault(
        &format!("api@md5:{short}"),
        &Fault::DigestAlgorithm,
        "md5",
        text,
    );
    let text = "invalid checksum digest format";
    let algorithm = Fault::DigestAlgorithm;
    assert_fault(&format!("api:1@SHA256:{HEX}"), &algorithm, "SHA256", text);
    // Without a tag, all up to the first colon is "the name".
    let text = uppercase("library/api@SHA256");
    assert_fault(&format!("api@SHA256:{HEX}"), &algorithm, "SHA256", &text);

    let upper = HEX.replacen('e', "E", 1);
    let hex = Fault::DigestHex { character: 'E' };
    assert_fault(
        &format!("api@sha256:{upper}"),
        &hex,
        "E",
        "invalid checksum digest format",
    );
    let hex = Fault::DigestHex { character: 'x' };
    assert_fault("api@sha256:x", &hex, "x", FORMAT);
    assert_fault("api@", &Fault::EmptyDigest, "@", FORMAT);
    assert_fault(
        &format!("api@{HEX}"),
        &Fault::DigestWithoutAlgorithm,
        HEX,
        FORMAT,
    );
    assert_fault(
        &format!("api@sha256:{HEX}:1"),
        &Fault::TagAfterDigest,
        ":1",
        FORMAT,
    );
}

#[test]
fn the_limit_of_old_kubelets_counts_the_host() {
    let image = format!("registry.example.com/{}", "a".repeat(250));
    assert!(Reference::parse(&image).is_ok());
    let error = Reference::parse_as(&image, Dialect::Until128).unwrap_err();
    assert_eq!(error.fault(), &Fault::RepositoryTooLong { length: 271 });
    assert_eq!(error.span().len(), 16);
}

#[test]
fn suggestions_undo_slips() {
    for (input, meant) in [
        ("Nginx", Some("nginx")),
        ("ghcr.io/Shop/API:RC1", Some("ghcr.io/shop/api:RC1")),
        ("https://ghcr.io/shop/api:1", Some("ghcr.io/shop/api:1")),
        ("docker://nginx", Some("nginx")),
        (" nginx:1\n", Some("nginx:1")),
        ("nginx :1", Some("nginx:1")),
        ("\u{feff}nginx", Some("nginx")),
        ("\"nginx:1\"", Some("nginx:1")),
        ("nginx:", Some("nginx")),
        ("shop//api/", Some("shop/api")),
        ("shop/team\u{2013}api", Some("shop/team-api")),
        // Already good, or past guessing.
        ("nginx", None),
        ("MyOrg/app", None),
        ("", None),
        (":", None),
        ("a b", None),
        ("nginx:${TAG}", None),
        ("<no value>", None),
        ("shop/café", None),
    ] {
        assert_eq!(suggestion(input).as_deref(), meant, "{input:?}");
    }
    assert_eq!(
        suggestion_as("MyOrg/app", Dialect::Until128).as_deref(),
        Some("myorg/app")
    );
    let digest = format!("api:@SHA256:{}", HEX.to_ascii_uppercase());
    assert_eq!(suggestion(&digest), Some(format!("api@sha256:{HEX}")));
}
