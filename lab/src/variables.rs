//! Images that cases name by variable, so that they run on any cluster: in the lab they come
//! from its registries, elsewhere from public ones.

use anyhow::{Result, bail};

use crate::paths;

/// Values of `$PUBLIC_IMAGE`, `$PUBLIC_REPOSITORY` and `$PRIVATE_IMAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    public: String,
    private: String,
}

impl Variables {
    /// In the lab, and in every replay of what was recorded there.
    pub fn of_lab() -> Self {
        Self {
            public: "registry.lab/shop/web:v2.0.0".to_owned(),
            private: "private.lab/shop/api:v1.4.1".to_owned(),
        }
    }

    /// Elsewhere: `public` is an image that anybody may pull and that keeps running by itself;
    /// `private` one that is refused without a login. GHCR refuses anonymous requests for what
    /// does not exist as it does for what is private.
    ///
    /// # Errors
    /// When the public image has no tag, or has a digest: cases ask for other tags of it.
    pub fn elsewhere(public: Option<&str>, private: Option<&str>) -> Result<Self> {
        let variables = Self {
            public: public.unwrap_or("registry.k8s.io/pause:3.10").to_owned(),
            private: private
                .unwrap_or("ghcr.io/pulldoctor/private-image-of-a-test:v1")
                .to_owned(),
        };
        if variables.public.contains('@') || variables.repository() == variables.public {
            bail!(
                "`{}` is not of the form REPOSITORY:TAG, as cases need it",
                variables.public
            );
        }
        Ok(variables)
    }

    /// The public image without its tag.
    fn repository(&self) -> &str {
        let last = self.public.rfind('/').map_or(0, |slash| slash + 1);
        let colon = self.public.get(last..).and_then(|name| name.find(':'));
        colon
            .and_then(|colon| self.public.get(..last + colon))
            .unwrap_or(&self.public)
    }

    /// Puts the values into a text, and the place of the lab's logs for `$LOGS`.
    pub fn fill(&self, text: &str) -> String {
        text.replace("$PUBLIC_IMAGE", &self.public)
            .replace("$PUBLIC_REPOSITORY", self.repository())
            .replace("$PRIVATE_IMAGE", &self.private)
            .replace("$LOGS", &paths::data("logs").display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_image_without_its_tag() {
        for (image, repository) in [
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b"),
            ("busybox:1.36", "busybox"),
        ] {
            let variables = Variables::elsewhere(Some(image), None).unwrap();
            assert_eq!(variables.fill("$PUBLIC_REPOSITORY"), repository);
            assert_eq!(
                variables.fill("{image: $PUBLIC_IMAGE}"),
                format!("{{image: {image}}}")
            );
        }
    }

    #[test]
    fn an_image_without_a_tag_is_refused() {
        for image in ["busybox", "localhost:5000/busybox", "a/b:1@sha256:00"] {
            assert!(Variables::elsewhere(Some(image), None).is_err(), "{image}");
        }
    }
}
