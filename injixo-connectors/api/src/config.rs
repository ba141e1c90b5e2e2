use serde::Deserialize;

/// The configuration of an integration to which others send. It has no keys: there is nothing to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiConfig {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration() {
        let sample = include_str!("../sample.toml").replace("connector = \"api\"\n", "");
        assert_eq!(toml::from_str::<ApiConfig>(&sample).unwrap(), ApiConfig::default());
        assert!(toml::from_str::<ApiConfig>("key = 'x'").is_err());
    }
}
