//! What `fuse.toml` may contain.

use ipnet::IpNet;

use super::*;

fn ruleset() -> Ruleset {
    let text = "fuse cicd default off\nfuse new-dc default on\n";
    Ruleset::parse("x.rules", text, &fuse_rules::Registry::new()).unwrap()
}

fn fuses(toml: &str, variables: &[(&str, &str)]) -> Result<ConfiguredFuses, ConfigError> {
    let config: Config = toml.parse().unwrap();
    config.fuses(&ruleset(), &|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_environment_wins_over_the_file_over_the_default() {
    assert_eq!(fuses("", &[]).unwrap(), ConfiguredFuses::default());
    let file = "[fuses]\ncicd = 1\nnew-dc = \"off\"\n";
    assert_eq!(fuses(file, &[]).unwrap().get("cicd"), Some(true));
    assert_eq!(fuses(file, &[("FUSE_CICD", "off")]).unwrap().get("cicd"), Some(false));
    let fixed = fuses(file, &[("FUSE_NEW_DC", "true")]).unwrap();
    assert_eq!(fixed.get("new-dc"), Some(true));
    assert_eq!((fixed.is_fixed("new-dc"), fixed.is_fixed("cicd")), (true, false));
    // Kubernetes injects such a name for a service called `fuse`.
    assert!(fuses("", &[("FUSE_PORT", "tcp://10.0.0.1:80")]).is_ok());
}

#[test]
fn lints_have_levels() {
    let config: Config = "[lint]\nunused-const = \"deny\"\n".parse().unwrap();
    let unused = Lint::find("unused-const").unwrap();
    assert_eq!(config.lints().level_of(unused), Level::Deny);
    assert_eq!(Config::default().lints().level_of(unused), unused.level());
    insta::assert_snapshot!("[lint]\nunused-cons = \"deny\"".parse::<Config>().unwrap_err(), @"line 2, column 1: there is no lint `unused-cons`; did you mean `unused-const`?");
    let level = "[lint]\nunused-const = \"error\"".parse::<Config>().unwrap_err().to_string();
    assert!(level.contains("unknown variant `error`, expected one of `allow`, `warn`, `deny`"));
}

#[test]
fn listening_has_limits_and_origins() {
    let listen =
        |text: &str| format!("[listen]\n{text}").parse::<Config>().map(|config| config.listen);
    assert_eq!(listen("").unwrap().max_buffered, 64 << 20);
    assert_eq!(listen("max_buffered = \"8MiB\"").unwrap().max_buffered, 8 << 20);
    let origins = listen("allow_origins = [\"https://a.example\", \"http://b:8080\"]").unwrap();
    assert_eq!(origins.allow_origins.len(), 2);
    let proxies = listen("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]").unwrap().trusted_proxies;
    assert_eq!(proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
    for wrong in [
        "max_buffered = \"1MiB\"",
        "max_buffered = \"64 MB\"",
        "allow_origins = [\"*\"]",
        "trusted_proxies = [\"10.0.0.1/8\"]",
        "trusted_proxies = [\"proxy\"]",
        "allow_origins = [\"https://a.example/\"]",
        "allow_origins = [\"https://A.example\"]",
    ] {
        assert!(listen(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_no_value_fails() {
    let shown = |result: Result<ConfiguredFuses, ConfigError>| result.unwrap_err().to_string();
    insta::assert_snapshot!(shown(fuses("", &[("FUSE_CICD", "yes")])), @"`FUSE_CICD` is `yes`, but a fuse is `on`, `off`, `true`, `false`, `1` or `0`");
    insta::assert_snapshot!(shown(fuses("[fuses]\ncicd = 2", &[])), @"fuse `cicd` in `[fuses]` is `2`, but a fuse is `on`, `off`, `true`, `false`, `1` or `0`");
    insta::assert_snapshot!(shown(fuses("[fuses]\ncidc = true", &[])), @"`[fuses]` sets `cidc`, but no rule file declares that fuse; declared are cicd, new-dc");
    insta::assert_snapshot!("[state]\nkeep = \"soon\"".parse::<Config>().unwrap_err(), @"line 2, column 8: `soon` is not a duration; write one as in `7d` or `1h30m`");
    insta::assert_snapshot!("[sate]".parse::<Config>().unwrap_err(), @"line 1, column 2: unknown field `sate`, expected one of `fuses`, `listen`, `admin`, `state`, `backend`, `cluster`, `held`, `local`, `secrets`, `http`, `rules`, `lint`");
}
