//! Every module reads without problems and accepts what its sender sends.

use serde_json::{Value as Json, json};

use super::MODULES;
use crate::accepts::Types;

#[test]
fn tmp_octokit() {
    let Ok(dir) = std::env::var("OCTO") else { return };
    let types = Types::standard("github");
    let mut bad = 0;
    let mut good = 0;
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let event = name.split('.').next().unwrap();
        let value: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        match types.check(event, &value) {
            Ok(()) => good += 1,
            Err(why) => {
                bad += 1;
                if bad < 40 {
                    let cut: String = why.chars().take(150).collect();
                    println!("{name}{cut}");
                }
            }
        }
    }
    println!("good {good} bad {bad}");
}
