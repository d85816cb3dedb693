# Homebrew's formula, from the archives of a release. packaging/make.sh --site URL fills it in.
class Esmtpq < Formula
  desc "Send-only mail queue of one person's own"
  homepage "@SITE@"
  version "@VERSION@"
  license "MIT"

  on_macos do
    on_arm do
      url "@SITE@/esmtpq-@VERSION@-darwin-arm64.tar.gz"
      sha256 "@SHA256 darwin-arm64@"
    end
    on_intel do
      url "@SITE@/esmtpq-@VERSION@-darwin-amd64.tar.gz"
      sha256 "@SHA256 darwin-amd64@"
    end
  end

  on_linux do
    on_arm do
      url "@SITE@/esmtpq-@VERSION@-linux-arm64.tar.gz"
      sha256 "@SHA256 linux-arm64@"
    end
    on_intel do
      url "@SITE@/esmtpq-@VERSION@-linux-amd64.tar.gz"
      sha256 "@SHA256 linux-amd64@"
    end
  end

  def install
    bin.install "esmtpq"
    %w[sendmail deliver mailq newaliases].each { |name| bin.install_symlink "esmtpq" => name }
    man1.install Dir["docs/*.1"]
    man5.install Dir["docs/*.5"]
    bash_completion.install "contrib/completion/esmtpq.bash" => "esmtpq"
    fish_completion.install "contrib/completion/esmtpq.fish"
    zsh_completion.install "contrib/completion/_esmtpq"
  end

  def caveats
    <<~EOS
      To send mail as an address:
        esmtpq setup you@example.org
    EOS
  end

  service do
    run [opt_bin/"deliver", "--watch"]
    keep_alive true
    log_path var/"log/esmtpq.log"
    error_log_path var/"log/esmtpq.log"
  end

  test do
    ENV["HOME"] = testpath
    assert_match version.to_s, shell_output("#{bin}/esmtpq version")
    assert_equal "Mail queue is empty\n", shell_output("#{bin}/mailq")
    config = testpath/".config/esmtpq/config.yaml"
    config.dirname.mkpath
    config.write "identities:\n  - {name: me@example.org, host: 127.0.0.1, port: 9, tls: off}\n"
    config.chmod 0600
    pipe_output("ESMTPQ_DELAY=never #{bin}/sendmail friend@example.net", "Subject: test\n\ntext\n", 0)
    assert_equal "1\n", shell_output("#{bin}/mailq --count")
  end
end
