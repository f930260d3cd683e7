//! How much of the org's calls are used: read from the header that nearly every answer carries.

/// Calls used and allowed in 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Used.
    pub used: u64,
    /// Allowed.
    pub limit: u64,
}

impl Ratio {
    /// Whether `percent` of the limit is used.
    #[must_use]
    pub fn reaches(self, percent: u64) -> bool {
        self.limit > 0 && self.used.saturating_mul(100) >= self.limit.saturating_mul(percent)
    }

    fn parse(text: &str) -> Option<Self> {
        let (used, rest) = text.split_once('/')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        Some(Self { used: used.trim().parse().ok()?, limit: digits.parse().ok()? })
    }
}

/// What the org said about its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgUsage {
    /// All apps together.
    pub org: Ratio,
    /// This app, where the org limits it.
    pub app: Option<Ratio>,
}

impl OrgUsage {
    /// Reads `api-usage=25/5000; per-app-api-usage=17/250(appName=oma-sync)`.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (mut org, mut app) = (None, None);
        for part in header.split(';') {
            match part.trim().split_once('=') {
                Some(("api-usage", ratio)) => org = Ratio::parse(ratio),
                Some(("per-app-api-usage", ratio)) => app = Ratio::parse(ratio),
                _ => {}
            }
        }
        Some(Self { org: org?, app })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_33_the_header_is_read_in_both_forms_and_may_be_missing() {
        let plain = OrgUsage::parse("api-usage=81000/100000").unwrap();
        assert_eq!(plain, OrgUsage { org: Ratio { used: 81_000, limit: 100_000 }, app: None });
        let both = OrgUsage::parse("api-usage=25/5000; per-app-api-usage=17/250(appName=oma sync)").unwrap();
        assert_eq!(both.app, Some(Ratio { used: 17, limit: 250 }));
        for text in ["", "api-usage=", "api-usage=1", "api-usage=x/5", "other=1/2"] {
            assert_eq!(OrgUsage::parse(text), None, "{text}");
        }
    }
}
