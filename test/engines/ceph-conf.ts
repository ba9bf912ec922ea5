export interface CephSettings {
  readonly dir: string;
  readonly clusterId: string;
  readonly monitorPort: number;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly store: 'memstore' | 'bluestore';
}

/**
 * Settings of a cluster that is one monitor, one disk and one gateway, all on loopback. No managers: nothing here
 * asks for statistics. The disk's own ports lie where the program finds some free (6800 to 7300).
 */
export function cephConf(s: CephSettings): string {
  return `[global]
fsid = ${s.clusterId}
mon_host = [v2:127.0.0.1:${s.monitorPort}]
public_network = 127.0.0.0/8
ms_bind_ipv6 = false
run_dir = ${s.dir}
admin_socket = ${s.dir}/$name.asok
log_file = ${s.dir}/$name.log
mon_cluster_log_file = ${s.dir}/cluster.log
keyring = ${s.dir}/keyring
auth_allow_insecure_global_id_reclaim = false
mon_data = ${s.dir}/mon
osd_data = ${s.dir}/osd
rgw_data = ${s.dir}

# one copy of everything, one placement group a pool
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000

# start although the disk is nearly full, and agree with oneself at once: each new pool is a round of Paxos
mon_data_avail_warn = 2
mon_data_avail_crit = 1
paxos_propose_interval = 0.02
paxos_min_wait = 0.01

osd_objectstore = ${s.store}
memstore_device_bytes = 8589934592
bluestore_block_size = 21474836480
osd_memory_target = 1073741824
osd_class_load_list = *
osd_class_default_list = *
# a key of 1,024 bytes, escaped, is a longer name below
osd_max_object_name_len = 2048

rgw_frontends = beast endpoint=127.0.0.1:${s.httpPort} ssl_endpoint=127.0.0.1:${s.httpsPort} ssl_certificate=${s.certificateFile} ssl_private_key=${s.keyFile}
rgw_override_bucket_index_max_shards = 1
rgw_s3_auth_use_sts = true
rgw_sts_key = sixteen-byte-key
rgw_sts_min_session_duration = 1
`;
}

/** One key for everybody in it: nobody but this run can reach the cluster's files. */
export const cephKeyring = (key: string): string => `[mon.]
key = ${key}
caps mon = "allow *"
[client.admin]
key = ${key}
caps mon = "allow *"
caps osd = "allow *"
[osd.0]
key = ${key}
caps mon = "allow profile osd"
caps osd = "allow *"
`;
