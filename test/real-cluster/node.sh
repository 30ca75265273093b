#!/bin/sh
# Process 1 of a node (real-cluster/node.ts starts it, in namespaces of its own for everything but users): file systems in
# memory, containerd, the images, kubelet. Its end is the node's power loss, and nothing stays.
#
# NODE its name, ADDRESSES its own, FILES the folder of its configuration, KUBECONFIG, KUBELET the program,
# RUNTIME the folder of containerd's Debian packages, IMAGES the archives to import
set -eu

hostname "$NODE"

# /sys of this network; control groups as seen from the node's own ones, which are the root of everything below.
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
while IFS=: read -r _ controllers _; do
  case $controllers in
    '') folder=/sys/fs/cgroup/unified type=cgroup2 options=rw ;;
    name=*) folder=/sys/fs/cgroup/${controllers#name=} type=cgroup options=none,$controllers ;;
    *) folder=/sys/fs/cgroup/$controllers type=cgroup options=$controllers ;;
  esac
  mkdir "$folder"
  mount -t "$type" -o "$options" "$type" "$folder"
done </proc/self/cgroup

# Where kubelet and containerd write. overlayfs, which holds the containers' files, takes a tmpfs as its upper layer.
for folder in /run /var /opt /usr/libexec; do
  [ -d "$folder" ] || continue
  mount -t tmpfs -o mode=755 "${folder##*/}" "$folder"
done
mkdir -p /run/containerd /run/tmp /var/lib/kubelet /var/lib/containerd /var/log/containers /var/tmp
ln -s /run /var/run
export TMPDIR=/run/tmp

# kubelet sets these, which are the whole machine's: it is shown files that say so already.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/$(echo "${setting%=*}" | tr / .)
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
mount --make-rshared /

export PATH="$RUNTIME/usr/bin:$RUNTIME/usr/sbin:$PATH"
containerd --config "$FILES/containerd.toml" >"$FILES/containerd.log" 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
for image in $IMAGES; do ctr --namespace k8s.io images import "$image" >>"$FILES/images.log" 2>&1; done
"$KUBELET" --config "$FILES/kubelet.yaml" --kubeconfig "$KUBECONFIG" --hostname-override "$NODE" \
  --node-ip "$ADDRESSES" >"$FILES/kubelet.log" 2>&1 &
wait
