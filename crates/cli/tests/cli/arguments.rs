//! Arguments, help and exit statuses.

use crate::support::*;

#[test]
fn bad_arguments_end_in_status_2() {
    for arguments in [
        &["watch"][..],
        &["watch", "BTC USD"],
        &["watch", "BTC-USD", "--duration", "ten"],
        &["watch", "BTC-USD", "--depth", "0"],
        &["demo", "--duration", "0s"],
        &["replay"],
        &["sim", "--drop-ppm", "1000001"],
        &["sim", "--levels", "22501"],
        &["sim", "--mood", "happy"],
        &["sim", "--products", "BTC-USD,BTC_USD"],
        &["no-such-command"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("error: "), "{arguments:?}");
        assert!(stderr.ends_with("try '--help'.\n"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn values_that_the_parser_takes_and_the_command_cannot_use_end_in_status_2_too() {
    for (arguments, expected) in [
        (&["watch", "BTC-USD", "--url", "http://localhost"][..], "wss://"),
        (&["record", "BTC-USD", "-o", "-", "--url", "wss://"], "host"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("level2: ") && stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn without_a_command_the_help_goes_to_the_standard_error() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.stderr, run(&["--help"]).stdout);
}

#[test]
fn a_command_with_a_typing_error_is_suggested() {
    let output = run(&["wacth"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("a similar subcommand exists: 'watch'"));
}

#[test]
fn help_lists_the_commands_and_the_exit_statuses() {
    let output = run(&["--help"]);
    let help = printed(&output);
    for command in ["demo", "record", "replay", "sim", "soak", "token", "watch"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let of_command = run(&[command, "--help"]);
        assert!(printed(&of_command).contains(&format!("Usage: level2 {command}")));
    }
    let (_, statuses) = help.split_once("\nExit status:\n").expect(help);
    let codes = statuses.lines().map(|line| line.trim_start().split_once("  ").expect(line).0);
    assert!(codes.eq(["0", "1", "2", "3"]), "{statuses}");
}

#[test]
fn the_version_is_that_of_the_package() {
    for argument in ["--version", "-V"] {
        let expected = format!("level2 {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(printed(&run(&[argument])), expected);
    }
}
