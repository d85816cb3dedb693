{
  description = "esmtpq, a send-only mail queue of one person's own";

  # Go is newer than that of the releases.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        esmtpq = pkgs.callPackage ./package.nix { };
        default = esmtpq;
      });
      overlays.default = final: _: { esmtpq = final.callPackage ./package.nix { }; };
      homeManagerModules.default = import ./home-manager.nix;
    };
}
