# A host to try the runner on: sshd and nftables, and nothing of ours.
FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssh-server nftables iproute2 iputils-ping netcat-openbsd \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* && mkdir -p /run/sshd /root/.ssh && chmod 700 /root/.ssh
COPY --chmod=755 deploy/firewall.sh /usr/local/bin/firewall
EXPOSE 22
CMD ["firewall"]
