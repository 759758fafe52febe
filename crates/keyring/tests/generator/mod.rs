//! Makes pull secrets and images, good ones and broken ones, the same ones in every run.

use std::collections::BTreeMap;

use crate::common::encode;
use pulldoctor_keyring::{DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY};

/// A secret: its type, and its data by key.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) kind: String,
    pub(crate) data: BTreeMap<String, Vec<u8>>,
}

/// A question to the keyring.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) secrets: Vec<Made>,
    pub(crate) image: String,
}

/// A generator of pseudo-random numbers (SplitMix64), so that a seed means the same inputs on
/// every machine and with every version of every crate.
pub(crate) struct Generator(u64);

const HOSTS: &[&str] = &[
    "docker.io",
    "index.docker.io",
    "registry.example.com",
    "eu.registry.example.com",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "eu.gcr.io",
    "a.b",
    "localhost",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "team.azurecr.io",
    "127.0.0.1",
    "[::1]",
    "[2001:db8::192.0.2.33]",
    "my_registry.io",
    "xn--n3h.com",
];
/// Ways to write Docker Hub; the kubelet knows four of them.
const HUB: &[&str] = &[
    "https://index.docker.io/v1/",
    "https://index.docker.io/v1",
    "index.docker.io",
    "docker.io",
    "https://docker.io",
    "https://index.docker.io/v2/",
    "registry-1.docker.io",
    "hub.docker.com",
    "registry.hub.docker.com",
    "https://docker.io/v1/",
    "docker.io/library",
    "index.docker.io/library",
    "*.docker.io",
    "*",
    "*.*",
];
const PORTS: &[&str] = &["", "", "", ":5000", ":443", ":"];
const WORDS: &[&str] = &[
    "shop", "api", "foo", "foobar", "library", "nginx", "v1", "v2", "a",
];
const USERS: &[&str] = &[
    "ci-bot",
    "AWS",
    "",
    "robot$shop+ci",
    "_json_key",
    "b\u{f6}b",
    "a b",
    "x:y",
];
const PASSWORDS: &[&str] = &[
    "canary",
    "",
    "s3cr:et",
    "p\u{e4}ss",
    "line\n",
    "\"quoted\"",
    "a\\b",
    "t\tab",
    "\u{1f511}",
];
const ENTRY_FIELDS: &[&str] = &[
    "username",
    "password",
    "email",
    "auth",
    "Username",
    "PASSWORD",
    "Auth",
    "identitytoken",
    "registrytoken",
    "serveraddress",
    "u\u{17f}ername",
    "pa\u{17f}\u{17f}word",
    "authx",
    "",
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// True once in `of`.
    fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn case(&mut self) -> Case {
        let image = self.image();
        let count = self.pick(&[0, 1, 1, 1, 2, 2, 3, 4]);
        // Secrets of one case are all written with care, or some with none: a fault in one of
        // four would hide what the others hold.
        let careless = self.once_in(3);
        let secrets = (0..count)
            .map(|_| {
                let careless = careless && self.once_in(2);
                self.secret(&image, careless)
            })
            .collect();
        Case { secrets, image }
    }

    /// An image as the kubelet looks it up, and now and then one that it never would.
    fn image(&mut self) -> String {
        if self.once_in(12) {
            return self
                .pick(&[
                    "",
                    "nginx",
                    "library/nginx",
                    "/x",
                    "docker.io",
                    "https://a.b/c",
                    "a.b/%zz",
                    "a b/c",
                    "MyOrg/app",
                    "[::1/x",
                    "a.b:x/y",
                    "a.b/c#d",
                    "a.b/c?d",
                    "*/shop",
                ])
                .to_owned();
        }
        let host = self.pick(HOSTS);
        let port = self.pick(PORTS);
        let mut image = format!("{host}{port}");
        for _ in 0..=self.below(3) {
            image.push('/');
            image.push_str(self.pick(WORDS));
        }
        image
    }

    fn secret(&mut self, image: &str, careless: bool) -> Made {
        let legacy = self.once_in(5);
        let mut kind = if legacy {
            DOCKER_CFG
        } else {
            DOCKER_CONFIG_JSON
        };
        let mut key = if legacy {
            DOCKER_CFG_KEY
        } else {
            DOCKER_CONFIG_JSON_KEY
        };
        let mut content = self.config(image, legacy, careless);
        if careless && self.once_in(6) {
            content = self.mutate(content);
        }
        if self.once_in(20) {
            kind = self.pick(&["Opaque", "", "kubernetes.io/basic-auth", DOCKER_CFG]);
        }
        if self.once_in(20) {
            key = self.pick(&[".dockercfg", "config.json", ".dockerconfigjson", ""]);
        }
        if self.once_in(40) {
            content.clear();
        }
        let mut data = BTreeMap::from([(key.to_owned(), content)]);
        if self.once_in(15) {
            let form = !legacy;
            let other = if form {
                DOCKER_CFG_KEY
            } else {
                DOCKER_CONFIG_JSON_KEY
            };
            let content = self.config(image, form, careless);
            data.entry(other.to_owned()).or_insert(content);
        }
        Made {
            kind: kind.to_owned(),
            data,
        }
    }

    fn config(&mut self, image: &str, legacy: bool, careless: bool) -> Vec<u8> {
        if careless && self.once_in(12) {
            return self
                .pick(&[
                    "null",
                    "[]",
                    "5",
                    "\"x\"",
                    "true",
                    "",
                    " ",
                    "{",
                    "tr",
                    "-",
                    "{}",
                    "{}x",
                    "\u{feff}{}",
                    "1e",
                    "1.",
                    "nul",
                    "[1 2]",
                    "{\"a\" 1}",
                    "{\"a\":}",
                    "{'a':1}",
                ])
                .as_bytes()
                .to_vec();
        }
        let mut out = Vec::new();
        self.space(&mut out);
        if legacy {
            self.hosts(&mut out, image, careless);
            return out;
        }
        out.push(b'{');
        let members = if careless { self.below(4) } else { 1 };
        for member in 0..members {
            if member > 0 {
                out.push(b',');
            }
            self.space(&mut out);
            let name = if careless {
                self.pick(&[
                    "auths",
                    "auths",
                    "auths",
                    "Auths",
                    "auth\u{17f}",
                    "HttpHeaders",
                    "httpheaders",
                    "credsStore",
                    "auth",
                ])
            } else {
                "auths"
            };
            self.string(&mut out, name, careless);
            self.space(&mut out);
            out.push(b':');
            self.space(&mut out);
            if name.eq_ignore_ascii_case("httpheaders") {
                self.headers(&mut out);
            } else if careless && self.once_in(5) {
                out.extend_from_slice(
                    self.pick(&["null", "[]", "\"x\"", "{}", "7", "true", "[{\"a\":[]}]"])
                        .as_bytes(),
                );
            } else {
                self.hosts(&mut out, image, careless);
            }
        }
        self.space(&mut out);
        out.push(b'}');
        self.space(&mut out);
        out
    }

    fn headers(&mut self, out: &mut Vec<u8>) {
        let text = self.pick(&[
            "null",
            "{}",
            "{\"User-Agent\":\"x\"}",
            "{\"a\":null}",
            "{\"a\":5}",
            "[]",
            "\"x\"",
            "{\"a\":\"b\",\"c\":[1],\"d\":{}}",
            "false",
        ]);
        out.extend_from_slice(text.as_bytes());
    }

    fn hosts(&mut self, out: &mut Vec<u8>, image: &str, careless: bool) {
        out.push(b'{');
        for place in 0..self.below(5) {
            if place > 0 {
                out.push(b',');
            }
            self.space(out);
            let key = self.key(image);
            self.string(out, &key, careless);
            out.push(b':');
            self.space(out);
            self.entry(out, careless);
        }
        self.space(out);
        out.push(b'}');
    }

    /// A key: mostly one that has something to do with the image.
    fn key(&mut self, image: &str) -> String {
        let is_hub = image.starts_with("docker.io") || image.starts_with("index.docker.io");
        if self.once_in(if is_hub { 2 } else { 10 }) {
            return self.pick(HUB).to_owned();
        }
        let mut base = if self.once_in(4) {
            let host = self.pick(HOSTS);
            format!("{host}{}", self.pick(PORTS))
        } else {
            image.to_owned()
        };
        // Some of its path, at a slash or within a word.
        match self.below(9) {
            0..=2 => base.truncate(base.find('/').unwrap_or(base.len())),
            3 | 4 => {
                let mut end = self.below(base.len() + 1);
                while !base.is_char_boundary(end) {
                    end -= 1;
                }
                base.truncate(end);
            }
            _ => {}
        }
        if self.once_in(4) {
            let labels: Vec<String> = base
                .split('.')
                .map(|label| match self.below(6) {
                    0 => "*".to_owned(),
                    1 => label.chars().take(1).chain(['*']).collect(),
                    2 => format!("*{}", label.chars().last().unwrap_or('x')),
                    _ => label.to_owned(),
                })
                .collect();
            base = labels.join(".");
        }
        if self.once_in(6) {
            let before = self.pick(&[
                "v1/", "/", "u:p@", "u@", " ", "*.", "[", "%25", "\u{e9}", "x\\y@", "%e9", "%C3",
            ]);
            base.insert_str(0, before);
        }
        if self.once_in(4) {
            let after = self.pick(&[
                "/",
                "/v1/",
                "/v2/",
                "/v1",
                "/v2",
                "/v1/shop",
                "/v2/shop/",
                "//",
                ":443",
                ":5000",
                ":latest",
                "?x",
                "#y",
                "#%zz",
                "/%73hop",
                "/%2e",
                "/%",
                " ",
                "\n",
                "/a b",
                "?",
                "/%3Fx",
                "/%23",
                "/%0a",
                "/%ff",
                "]",
                "/\u{e9}",
                "\u{7f}",
                ":1:2",
                "/%2541",
            ]);
            base.push_str(after);
        }
        if self.once_in(12) {
            base = base.to_uppercase();
        }
        let scheme = self.pick(&[
            "",
            "",
            "",
            "https://",
            "https://",
            "http://",
            "HTTPS://",
            "oci://",
            "//",
            "https:/",
            "https://https://",
        ]);
        format!("{scheme}{base}")
    }

    fn entry(&mut self, out: &mut Vec<u8>, careless: bool) {
        if self.once_in(25) {
            out.extend_from_slice(self.pick(&["null", "{}"]).as_bytes());
            return;
        }
        if careless && self.once_in(12) {
            let text = self.pick(&["\"x\"", "7", "[]", "true", "[{\"auth\":\"}\"}]"]);
            out.extend_from_slice(text.as_bytes());
            return;
        }
        out.push(b'{');
        for place in 0..self.below(5) {
            if place > 0 {
                out.push(b',');
            }
            self.space(out);
            let field = if careless {
                self.pick(ENTRY_FIELDS)
            } else {
                self.pick(&["username", "password", "auth", "auth", "email"])
            };
            self.string(out, field, careless);
            self.space(out);
            out.push(b':');
            self.space(out);
            if careless && self.once_in(8) {
                let text = self.pick(&["null", "5", "{}", "[\"]\"]", "false", "1e9", "-0.5"]);
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            if field.eq_ignore_ascii_case("auth") {
                let auth = self.auth(careless);
                self.string(out, &auth, careless);
            } else if field.contains("sword") {
                let password = self.pick(PASSWORDS);
                self.string(out, password, careless);
            } else {
                let user = self.pick(USERS);
                self.string(out, user, careless);
            }
        }
        out.push(b'}');
    }

    fn auth(&mut self, careless: bool) -> String {
        let user = self.pick(USERS);
        let mut plain = user.as_bytes().to_vec();
        plain.push(b':');
        plain.extend_from_slice(self.pick(PASSWORDS).as_bytes());
        if self.once_in(8) {
            plain.push(0xff);
        }
        let mut auth = encode(&plain);
        if self.once_in(6) {
            auth.truncate(auth.trim_end_matches('=').len());
        }
        if self.once_in(8) {
            let at = self.below(auth.len() + 1);
            auth.insert_str(at, self.pick(&["\n", "\r\n", "\n\n"]));
        }
        if careless && self.once_in(4) {
            auth = match self.below(8) {
                0 => String::from_utf8_lossy(&plain).into_owned(),
                1 => encode(auth.as_bytes()),
                2 => encode(user.as_bytes()),
                3 => format!(" {auth} "),
                4 => auth.replace('+', "-").replace('/', "_"),
                5 => format!("{auth}="),
                6 => auth.chars().take(self.below(auth.len() + 1)).collect(),
                _ => {
                    let at = self.below(auth.len() + 1);
                    let byte = self.pick(&["=", "==", "-", " ", "\u{a0}", "\u{0}", "_", ":", "A"]);
                    auth.insert_str(at, byte);
                    auth
                }
            };
        }
        auth
    }

    fn space(&mut self, out: &mut Vec<u8>) {
        if self.once_in(8) {
            out.extend_from_slice(self.pick(&[" ", "\n", "\t", "\r\n  "]).as_bytes());
        }
    }

    /// A JSON string, with escapes where none are needed.
    fn string(&mut self, out: &mut Vec<u8>, text: &str, careless: bool) {
        out.push(b'"');
        for character in text.chars() {
            let mut units = [0; 2];
            match character {
                '"' | '\\' => out.extend([b'\\', character as u8]),
                '\n' => out.extend(b"\\n"),
                '/' if self.once_in(20) => out.extend(b"\\/"),
                c if c < ' ' || self.once_in(60) => {
                    for unit in c.encode_utf16(&mut units) {
                        out.extend(format!("\\u{unit:04x}").bytes());
                    }
                }
                c => out.extend(c.to_string().bytes()),
            }
        }
        if careless && self.once_in(40) {
            let odd: [&[u8]; 8] = [
                b"\xff",
                b"\\ud83d",
                b"\\udc00x",
                b"\xe2\x82",
                b"\\ud83d\\u0041",
                b"\xed\xa0\x80",
                b"\\q",
                b"\x01",
            ];
            out.extend_from_slice(self.pick(&odd));
        }
        out.push(b'"');
    }

    /// A byte more, less or other, or the end cut off.
    fn mutate(&mut self, mut content: Vec<u8>) -> Vec<u8> {
        let at = self.below(content.len());
        let byte = if self.once_in(2) {
            self.pick(b"{}[]\",:\\ '0tn-.e\n\xff")
        } else {
            u8::try_from(self.below(256)).unwrap()
        };
        match self.below(5) {
            0 => content.truncate(at),
            1 => content.insert(at, byte),
            2 => content.push(byte),
            3 if !content.is_empty() => {
                content.remove(at);
            }
            _ if !content.is_empty() => content[at] = byte,
            _ => {}
        }
        content
    }
}
