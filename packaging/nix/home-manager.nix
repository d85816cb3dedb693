# esmtpq for home-manager: the program, its configuration, and the watcher.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.esmtpq;
  yaml = pkgs.formats.yaml { };
  deliver = "${cfg.package}/bin/deliver";
in
{
  options.services.esmtpq = {
    enable = lib.mkEnableOption "esmtpq, a send-only mail queue of one's own";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package to use.";
    };

    settings = lib.mkOption {
      type = lib.types.nullOr yaml.type;
      default = null;
      example = lib.literalExpression ''
        {
          identities = [
            {
              name = "me@example.org";
              host = "smtp.example.org";
              username = "me";
              password_command = "pass show mail/example.org";
            }
          ];
        }
      '';
      description = ''
        What is in ~/.config/esmtpq/config.yaml: see esmtpq.yaml(5). Everybody can read the Nix store, so
        there is to be no `password` in it, but a `password_command` or `password_keyring`. With null, the
        file is yours, as `esmtpq setup` writes it.
      '';
    };

    watch = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether the watcher runs, which sends what had to wait as soon as that can be.";
    };
  };

  config = lib.mkIf cfg.enable {
    home.packages = [ cfg.package ];

    xdg.configFile."esmtpq/config.yaml" = lib.mkIf (cfg.settings != null) {
      source = yaml.generate "esmtpq.yaml" cfg.settings;
    };

    # As contrib/systemd/esmtpq.service and contrib/launchd have it.
    systemd.user.services.esmtpq = lib.mkIf (cfg.watch && pkgs.stdenv.hostPlatform.isLinux) {
      Unit.Description = "Deliver queued mail";
      Service = {
        Type = "notify";
        ExecStart = "${deliver} --watch";
        ExecReload = "/bin/sh -c 'kill -HUP $MAINPID'";
        Restart = "always";
        RestartSec = 10;
        TimeoutStopSec = 60;
        KillMode = "mixed";
        WatchdogSec = 120;
        UMask = "0077";
      };
      Install.WantedBy = [ "default.target" ];
    };

    launchd.agents.esmtpq = lib.mkIf (cfg.watch && pkgs.stdenv.hostPlatform.isDarwin) {
      enable = true;
      config = {
        ProgramArguments = [
          deliver
          "--watch"
        ];
        RunAtLoad = true;
        KeepAlive = true;
        ThrottleInterval = 10;
        ExitTimeOut = 60;
        ProcessType = "Background";
        Umask = 63;
      };
    };
  };
}
