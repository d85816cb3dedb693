# esmtpq for Nix: as install.sh builds it. The hash is that of the vendored modules, which a test of
# tests/packages compares.
{
  lib,
  buildGoModule,
  installShellFiles,
  version ? "0.0.0",
}:

buildGoModule {
  pname = "esmtpq";
  inherit version;
  src = lib.cleanSource ../..;
  vendorHash = "sha256-xbCSeFqpKWdiGppZlcVrlzRvjFd57LA0ufpRg91uXOk=";
  subPackages = [ "cmd/esmtpq" ];
  env.CGO_ENABLED = 0;
  tags = [ "nethttpomithttp2" ];
  ldflags = [
    "-s"
    "-w"
    "-X main.version=${version}"
    "-X runtime.godebugDefault=containermaxprocs=0,updatemaxprocs=0,decoratemappings=0,memprofilerate=0,profstackdepth=0"
  ];
  # They want real programs, and namespaces.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    for name in sendmail deliver mailq newaliases; do
      ln -s esmtpq $out/bin/$name
    done
    installManPage docs/*.1 docs/*.5
    installShellCompletion --bash contrib/completion/esmtpq.bash
    installShellCompletion --fish contrib/completion/esmtpq.fish
    installShellCompletion --zsh contrib/completion/_esmtpq
  '';

  meta = {
    description = "Send-only mail queue of one person's own";
    license = lib.licenses.mit;
    mainProgram = "esmtpq";
    platforms = lib.platforms.unix;
  };
}
