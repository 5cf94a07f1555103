{
  "targets": [
    {
      "target_name": "firehook",
      "sources": [
        "addon.cc", "confine.cc", "confine-exports.cc", "packet-exports.cc", "datagram-exports.cc", "identity-exports.cc",
        "handover-exports.cc", "lease-exports.cc", "netlink-exports.cc", "system-exports.cc",
        "datagram-sender.cc", "device.cc", "fence.cc", "fence-writer.cc", "handover.cc", "identity.cc", "input-switch.cc", "lease.cc", "lock.cc", "memory.cc",
        "netlink.cc", "poller.cc", "ring.cc", "send-messages.cc", "sender.cc", "write.cc"
      ],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions"],
      "defines": ["NAPI_VERSION=8"],
      "conditions": [
        ["'<!(echo ${FIREHOOK_ASAN:-0})'=='1'", {
          "cflags_cc": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    },
    {
      "target_name": "firehook-launch",
      "type": "executable",
      "sources": ["launcher.c"],
      "cflags_c": ["-std=gnu11", "-O2", "-Wall", "-Wextra"],
      "ldflags!": ["-rdynamic"]
    }
  ]
}
