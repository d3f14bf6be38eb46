//! What a fuse is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::process::ActsOn;
use super::{Fuse, Ports, Reader, client, root};

/// Each event makes a Job, while the fuse `line` is on. The fuse is to be declared before.
pub(crate) const JOB_OF_LINE: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  event e
}

sensor s on q.e {
  requires line
  rule make {
    trigger job {
      namespace = "apps"
      name-prefix = "job-"
      image = "busybox"
    }
  }
}
"#;

/// What `fuse run` is started with.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(super) rules: Vec<(String, String)>,
    pub(super) toml: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) acts_on: ActsOn,
    pub(super) reader: Reader,
    pub(super) arguments: Vec<String>,
}

impl Setup {
    /// The rules of the folder `rules`.
    pub(crate) fn seed() -> Self {
        let mut rules = Vec::new();
        for entry in std::fs::read_dir(root().join("rules")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "rules") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                rules.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
        Self { rules, ..Self::default() }
    }

    /// These rules alone. Their ports are 12000 to 12002, which free ones replace.
    pub(crate) fn rules(text: &str) -> Self {
        Self { rules: vec![("test.rules".into(), text.into())], ..Self::default() }
    }

    /// With the fuse `cicd` on.
    pub(crate) fn armed(self) -> Self {
        self.variable("FUSE_CICD", "on")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Acts on the cluster that the kubeconfig names, instead of writing files.
    pub(crate) fn cluster(self, kubeconfig: PathBuf) -> Self {
        Self { acts_on: ActsOn::Cluster(kubeconfig), ..self }
    }

    /// Acts for real, but on no cluster.
    pub(crate) fn no_cluster(self) -> Self {
        Self { acts_on: ActsOn::NoCluster, ..self }
    }

    /// With another reader of the log.
    pub(crate) fn reader(self, reader: Reader) -> Self {
        Self { reader, ..self }
    }

    /// Each occurrence of a text in the rules replaced.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        for (_, text) in &mut self.rules {
            *text = text.replace(from, to);
        }
        self
    }

    /// With another argument of `fuse run`.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With more text after the rules.
    pub(crate) fn append(mut self, more: &str) -> Self {
        if let Some((_, text)) = self.rules.last_mut() {
            text.push_str(more);
        }
        self
    }

    /// With another file beside the rules.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.rules.push((name.into(), text.into()));
        self
    }

    /// With this `fuse.toml`.
    pub(crate) fn toml(mut self, text: &str) -> Self {
        self.toml = Some(text.into());
        self
    }

    /// The folder and the ports, with nothing running yet.
    pub(crate) fn lay_out(self) -> Fuse {
        let folder = tempfile::tempdir().unwrap();
        let mut fuse = Fuse {
            folder,
            ports: Ports::free(),
            setup: self,
            process: None,
            said: String::new(),
            client: client(),
        };
        fuse.write_rules();
        fuse
    }

    /// Starts and waits until the admin port answers, ready or not.
    pub(crate) async fn start(self) -> Fuse {
        let mut fuse = self.lay_out();
        for _ in 0..5 {
            match fuse.try_start().await {
                Ok(()) => return fuse,
                // Another process was faster: with other ports, then.
                Err(why) if why.contains("cannot listen") => {
                    fuse.ports = Ports::free();
                    fuse.write_rules();
                }
                Err(why) => panic!("fuse did not start: {why}"),
            }
        }
        panic!("fuse found no free ports:\n{}", fuse.log());
    }
}
