use secrecy::ExposeSecret;

use super::folder;
use crate::config::Config;

#[test]
fn secrets_are_read_from_files_beside_the_configuration_and_in_the_data_folder() {
    let (folder, options) = folder(
        "data = \"state\"\n[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecrets = [\"file:form.secret\", \"file:{data}/old.secret\"]\n",
    );
    std::fs::create_dir(folder.path().join("state")).expect("a folder");
    std::fs::write(folder.path().join("form.secret"), "new\n").expect("a file");
    std::fs::write(folder.path().join("state/old.secret"), "old").expect("a file");

    let config = Config::load(&options).expect("it loads");

    let values: Vec<_> = config.sources[0]
        .secrets
        .iter()
        .map(|secret| secret.value().map(|value| value.expose_secret().to_owned()))
        .collect();
    assert_eq!(values, [Ok("new".to_owned()), Ok("old".to_owned())]);
}

#[test]
fn the_environment_is_the_one_given_and_not_the_process_own() {
    let (_folder, options) =
        folder("[[sources]]\nname = \"a\"\nprovider = \"typeform\"\nsecrets = [\"env:PATH\"]\n");

    let config = Config::load(&options).expect("it loads");

    assert!(
        config.sources[0].secrets[0].value().is_err(),
        "PATH is set in the process and not in the options"
    );
}
