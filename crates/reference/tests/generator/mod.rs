//! Makes references, good ones and broken ones, the same ones in every run.

/// A small generator of pseudo-random numbers (SplitMix64), so that a seed means the same inputs
/// on every machine and with every version of every crate.
pub(crate) struct Generator(u64);

/// What is good wherever it stands, for the half of the inputs that starts out well-formed.
const GOOD_HOSTS: &[&str] = &[
    "docker.io",
    "index.docker.io",
    "localhost",
    "LOCALDOMAIN",
    "MyOrg",
    "registry.example.com",
    "Registry.Example.COM",
    "my_registry.io",
    "127.0.0.1",
    "[::1]",
    "[2001:DB8:1:2:3:4:5:6]",
    "xn--n3h.com",
    "a.b",
];
const GOOD_TAGS: &[&str] = &["latest", "1.27", "v1.2.3-alpine", "_x", "X", "5000"];

const HOSTS: &[&str] = &[
    "docker.io",
    "index.docker.io",
    "localhost",
    "Localhost",
    "LOCALDOMAIN",
    "MyOrg",
    "registry.example.com",
    "Registry.Example.COM",
    "my_registry.io",
    "My_Registry.io",
    "my__reg.example-.io",
    "a.b",
    "127.0.0.1",
    "[::1]",
    "[2001:db8::1]",
    "[2001:DB8:1:2:3:4:5:6]",
    "[fe80::1%eth0]",
    "[2001:db8::192.0.2.33]",
    "[]",
    "[::1",
    "::1",
    "fc00::1",
    "xn--n3h.com",
    "-bad.io",
    "bad-.io",
    "bad..io",
    ".io",
    "io.",
    "regis\u{212A}ry.io",
    "\u{130}o.com",
    "https:",
    "ghcr.io.",
];
const PORTS: &[&str] = &[
    "", "", "", ":5000", ":0", ":", ":http", ":50:00", ":5000x", ":\u{663}",
];
const WORDS: &[&str] = &[
    "a",
    "nginx",
    "library",
    "shop",
    "api",
    "team-a",
    "team--a",
    "a_b",
    "a__b",
    "a___b",
    "a.b",
    "a..b",
    "a.-b",
    "a-_b",
    "-a",
    "a-",
    "_a",
    "a.",
    "Shop",
    "aB",
    "0",
    "1.2.3",
    "\u{e9}",
    "\u{c9}",
    "\u{212A}",
    "\u{130}",
    "\u{1C89}",
    "\u{A7DC}",
    "\u{10D50}",
    "\u{16EA0}",
    "\u{65e5}\u{672c}",
    "docker.io",
    "localhost",
    "<no value>",
    "${VAR}",
    "{{ .Values.image }}",
    "a b",
    "",
    "",
];
const TAGS: &[&str] = &[
    "latest",
    "1.27",
    "v1.2.3-alpine",
    "_x",
    "X",
    "-x",
    ".x",
    "",
    "1.2:3",
    "a/b",
    "a b",
    "${TAG}",
    "\u{212A}",
    "v\u{130}",
    "\u{e9}",
    "a+b",
    "5000",
];
const ALGORITHMS: &[&str] = &[
    "sha256",
    "sha256",
    "sha256",
    "sha384",
    "sha512",
    "SHA256",
    "sha",
    "md5",
    "sha256+b64",
    "sha256.b64u",
    "Sha-X",
    "sha256+",
    "2sha",
    "",
    "sha\u{212A}",
    "a_b",
    "a--b",
];
const HEX_LENGTHS: &[usize] = &[
    64, 64, 64, 64, 96, 128, 0, 1, 31, 32, 33, 63, 65, 95, 97, 127, 129, 40, 200,
];
const MARKS: &[&str] = &[
    ":",
    "/",
    "@",
    ".",
    "_",
    "-",
    "__",
    "--",
    "//",
    "::",
    "[",
    "]",
    "%",
    "$",
    "{",
    "}",
    "<",
    ">",
    " ",
    "\t",
    "\n",
    "\0",
    "\u{7f}",
    "\u{a0}",
    "\u{200b}",
    "\u{feff}",
    "\u{2028}",
    "\u{ffff}",
    "A",
    "Z",
    "g",
    "0",
    "\u{e9}",
    "\u{c9}",
    "\u{212A}",
    "\u{130}",
    "\u{1F40B}",
    "\u{3c2}",
    "\u{1c5}",
    "\"",
    "\\",
    "+",
    "=",
    "~",
    "library/",
    "docker.io/",
    "sha256:",
    "https://",
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Makes one input: of good parts or of any, and in one case of two broken in one to four
    /// places.
    pub(crate) fn image(&mut self) -> String {
        let good = self.one_in(2);
        let mut image = self.assembled(good);
        if self.one_in(2) {
            for _ in 0..=self.below(4) {
                self.mutate(&mut image);
            }
        }
        image
    }

    fn assembled(&mut self, good: bool) -> String {
        if self.one_in(60) {
            return self.hex(63, 3, true);
        }
        let mut image = String::new();
        if self.one_in(2) {
            if good {
                let host = self.pick(GOOD_HOSTS);
                image.push_str(host);
                if !host.contains('_') && self.one_in(2) {
                    image.push_str(":5000");
                }
            } else {
                image.push_str(self.pick(HOSTS));
                image.push_str(self.pick(PORTS));
            }
            image.push('/');
        }
        for index in 0..=self.below(3) {
            if index > 0 {
                image.push('/');
            }
            let word = self.word(good);
            image.push_str(&word);
        }
        if self.one_in(2) {
            image.push(':');
            if self.one_in(12) {
                let length = 125 + self.below(8);
                image.push_str(&"t".repeat(length));
            } else {
                image.push_str(self.pick(if good { GOOD_TAGS } else { TAGS }));
            }
        }
        if self.one_in(3) {
            image.push('@');
            let (algorithm, length) = if good {
                [("sha256", 64), ("sha384", 96), ("sha512", 128)][self.below(3)]
            } else {
                (
                    self.pick(ALGORITHMS),
                    HEX_LENGTHS[self.below(HEX_LENGTHS.len())],
                )
            };
            image.push_str(algorithm);
            image.push(':');
            let hex = self.hex(length, 1, good);
            image.push_str(&hex);
        }
        image
    }

    fn word(&mut self, good: bool) -> String {
        if self.one_in(40) {
            // Around the limit of 255 bytes, with and without host and `library/`.
            let length = 225 + self.below(45);
            return "n".repeat(length);
        }
        if !good && self.one_in(3) {
            return self.pick(WORDS).to_owned();
        }
        let mut word = String::new();
        for index in 0..=self.below(3) {
            if index > 0 {
                word.push_str(self.pick(&[".", "_", "__", "-", "---"]));
            }
            for _ in 0..=self.below(5) {
                word.push(char::from(
                    b"abcdefghijklmnopqrstuvwxyz0123456789"[self.below(36)],
                ));
            }
        }
        word
    }

    /// Makes `length` to `length + spread - 1` digits, all lower-case or, in one of six, mixed.
    fn hex(&mut self, length: usize, spread: usize, lower: bool) -> String {
        let digits: &[u8] = if !lower && self.one_in(6) {
            b"0123456789abcdefABCDEF"
        } else {
            b"0123456789abcdef"
        };
        let length = length + self.below(spread);
        (0..length)
            .map(|_| char::from(digits[self.below(digits.len())]))
            .collect()
    }

    /// Deletes, inserts, doubles, replaces or turns to upper case.
    fn mutate(&mut self, image: &mut String) {
        let places: Vec<(usize, char)> = image.char_indices().collect();
        if places.is_empty() {
            image.push_str(self.pick(MARKS));
            return;
        }
        let (at, character) = places[self.below(places.len())];
        let end = at + character.len_utf8();
        match self.below(8) {
            0 => image.replace_range(at..end, ""),
            1 | 2 => image.insert_str(at, self.pick(MARKS)),
            3 => image.replace_range(at..end, self.pick(MARKS)),
            4 => image.replace_range(at..end, &character.to_uppercase().to_string()),
            5 => image.push_str(self.pick(MARKS)),
            6 => image.truncate(at),
            _ => {
                let tail = image[at..].to_owned();
                image.push_str(&tail);
            }
        }
    }
}
