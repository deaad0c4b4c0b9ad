"""Which programs talk over a network: always, where a command begins, or with some of their subcommands. Only data."""

from __future__ import annotations

from poundlock.core.actions.shell import table

# Programs that talk over a network whatever their arguments are.
PROGRAMS = table(
    """
    curl wget wget2 curlie aria2c axel nc ncat netcat nc.openbsd nc.traditional socat ssh scp sftp rsync ftp lftp tftp
    ncftp telnet ping6 nslookup nmap traceroute tracepath mtr whois sendmail msmtp swaks mailx mutt neomutt s-nail
    httpie xh grpcurl websocat wscat hurl lynx links2 elinks w3m ssh-copy-id sshpass mosh autossh rclone s3cmd s5cmd
    gsutil azcopy azd awscli sam heroku flyctl vercel netlify wrangler firebase gcloud kubectl helm oc terraform
    pulumi ansible ansible-playbook doctl linode-cli ngrok cloudflared localtunnel croc magic-wormhole wormhole
    transfer.sh twine npx uvx bunx pipx gh glab hub acli stripe twilio slackcat mosquitto_pub kcat kafkacat
    smbclient smbget cadaver ldapsearch snmpwalk invoke-webrequest invoke-restmethod iwr irm start-bitstransfer
    bitsadmin send-mailmessage test-netconnection tnc plink pscp psftp winrm winrs finger torsocks proxychains
    proxychains4 tor torify git-remote-http git-remote-https
    """
)
# Programs whose names are also common words: only where a command begins.
WORDY_PROGRAMS = table("host mail http https az aws ping dig drill links fly oci rcp rsh rlogin")
# Programs of which only some subcommands talk over a network.
_SUBCOMMANDS = {
    "git": "push fetch clone pull remote ls-remote submodule send-email send-pack fetch-pack lfs svn p4 request-pull "
    "imap-send daemon http-push http-fetch annex",
    "hg": "push pull clone incoming outgoing",
    "svn": "checkout co commit ci update up import export",
    "docker": "push pull login search manifest plugin swarm",
    "podman": "push pull login search manifest",
    "buildah": "push pull login",
    "skopeo": "copy sync inspect login",
    "crane": "push pull copy auth",
    "npm": "publish install i ci add update login adduser exec x search audit token owner dist-tag",
    "pnpm": "publish install i add update login dlx audit",
    "yarn": "publish add install npm login dlx upgrade",
    "bun": "publish install add x update",
    "pip": "install download search wheel upload index",
    "pip3": "install download search wheel upload index",
    "uv": "publish add sync pip tool run",
    "poetry": "publish install add update",
    "hatch": "publish",
    "flit": "publish",
    "cargo": "publish install login search add update fetch owner yank",
    "gem": "push install fetch signin owner",
    "bundle": "install update",
    "go": "get install mod",
    "mvn": "deploy release:perform",
    "gradle": "publish",
    "dotnet": "nuget restore",
    "nuget": "push install",
    "openssl": "s_client s_time ocsp",
    "apt": "install update",
    "apt-get": "install update",
    "brew": "install update fetch",
    "certutil": "-urlcache -verifyctl",
    "vault": "write read login kv",
    "op": "item read",
    "busybox": "wget nc telnet ftpput ftpget",
    "toybox": "wget nc netcat",
}
SUBCOMMANDS = {program: table(each) for program, each in _SUBCOMMANDS.items()}
