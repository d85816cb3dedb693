package wire

// unit is contrib/systemd/esmtpq.service.
const unit = `[Unit]
Description=Deliver queued mail

[Service]
Type=notify
ExecStart=@deliver --watch
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=10
TimeoutStopSec=60
# It ends what it has started by itself, when that is done.
KillMode=mixed
# Only while it delivers: it says so itself.
WatchdogSec=120
UMask=0077

[Install]
WantedBy=default.target
`
