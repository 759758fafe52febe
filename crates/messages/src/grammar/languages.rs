//! The same errors in other languages: Windows words a socket's error in the system's language,
//! and registries and gateways answer in their operators'.

use super::{Rule, rule};
use crate::draft::Weight;
use crate::{DnsFault, Fault, PolicyKind};

pub(super) const RULES: &[Rule] = &[
    // WSAECONNREFUSED: Chinese, German, French, Spanish, Russian, Portuguese, Japanese.
    rule(
        "(由于目标计算机积极拒绝|da der zielcomputer die verbindung verweigerte|l'ordinateur cible l'a expressément refusée|el equipo de destino denegó expresamente|т.к. конечный компьютер отверг запрос|a máquina de destino as recusou ativamente|対象のコンピューターによって拒否されたため)",
        |d, _| d.net(Fault::Refused),
    ),
    // WSAHOST_NOT_FOUND.
    rule(
        "(不知道这样的主机|der angegebene host ist unbekannt|hôte inconnu|host desconocido|Этот хост неизвестен|este host não é conhecido|そのようなホストは不明です)",
        |d, _| {
            d.net(Fault::Dns {
                failure: DnsFault::NoSuchHost,
            });
        },
    ),
    // WSAETIMEDOUT.
    rule(
        "(由于连接方在一段时间后没有正确答复|连接尝试失败|da die gegenstelle nach einer bestimmten zeitspanne nicht|Попытка установить соединение была безуспешной)",
        |d, _| d.net(Fault::DialTimeout),
    ),
    // WSAECONNRESET.
    rule(
        "(远程主机强迫关闭了一个现有的连接|eine vorhandene verbindung wurde vom remotehost geschlossen|Удаленный хост принудительно разорвал существующее подключение)",
        |d, _| d.net(Fault::Interrupted),
    ),
    // ENOSPC and ERROR_DISK_FULL.
    rule(
        "(设备上没有空间|磁盘空间不足|kein speicherplatz mehr verfügbar|nicht genug speicherplatz auf dem datenträger|aucun espace disponible sur le périphérique|no queda espacio en el dispositivo|На устройстве не осталось свободного места|デバイスに空き領域がありません)",
        |d, _| d.exact(Fault::NoSpace),
    ),
    rule("(不在白名单|不在允许列表)", |d, _| {
        d.exact(Fault::BlockedByPolicy {
            policy: PolicyKind::AllowList,
        });
    }),
    rule(
        "(禁止访问|访问被拒绝|访问被禁止|已被拦截|访问被拦截|доступ запрещен)",
        |d, _| {
            d.fault(
                Weight::Server,
                Fault::BlockedByPolicy {
                    policy: PolicyKind::Other,
                },
            );
        },
    ),
    rule(
        "(请求过于频繁|请求过多|访问过于频繁)",
        |d, _| {
            d.server(Fault::RateLimited);
        },
    ),
    rule(
        "(用户名或密码错误|账号或密码错误)",
        |d, _| {
            d.server(Fault::BadLogin);
        },
    ),
];
