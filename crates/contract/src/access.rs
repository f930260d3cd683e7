//! Who may call which method: one row per method, and whoever a row does not name is refused.
//!
//! An identity is proven by the certificate of a connection, so the table counts where gRPC runs over mutual TLS.
//! A test holds it against the descriptors: a new method without a row fails it.

use Identity::{Auth, Console, Extractor, Lane, Mapper, Operator, Writer};

/// What begins the URI that names an identity in a certificate.
const TRUST_DOMAIN: &str = "spiffe://lanesync/";

/// Who calls, as a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// `lanesync-auth`.
    Auth,
    /// `lanesync-extractor`.
    Extractor,
    /// `lanesync-mapper`.
    Mapper,
    /// `lanesync-customer-writer`.
    Writer,
    /// `lanesync-console`, for the people who are signed in there.
    Console,
    /// Lane's own services: billing, and whoever reads and edits customers.
    Lane,
    /// Who runs the installation, with the command line.
    Operator,
}

impl Identity {
    /// All of them.
    pub const ALL: [Self; 7] = [Auth, Extractor, Mapper, Writer, Console, Lane, Operator];

    /// Its name: of a service, the component's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Auth => "auth",
            Extractor => "extractor",
            Mapper => "mapper",
            Writer => "customer-writer",
            Console => "console",
            Lane => "lane",
            Operator => "operator",
        }
    }

    /// The URI that names it in its certificate.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Auth => "spiffe://lanesync/auth",
            Extractor => "spiffe://lanesync/extractor",
            Mapper => "spiffe://lanesync/mapper",
            Writer => "spiffe://lanesync/customer-writer",
            Console => "spiffe://lanesync/console",
            Lane => "spiffe://lanesync/lane",
            Operator => "spiffe://lanesync/operator",
        }
    }

    /// Returns the identity that a URI names.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(TRUST_DOMAIN)?;
        Self::ALL.into_iter().find(|identity| identity.name() == name)
    }
}

/// Who may call one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The service with its package, e.g. `lanesync.auth.v1.TokenService`.
    pub service: &'static str,
    /// The method, e.g. `GetAccessToken`.
    pub method: &'static str,
    /// Whose calls are let in.
    pub callers: &'static [Identity],
}

impl Row {
    /// The path of the method in a request.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}/{}", self.service, self.method)
    }

    /// Whether `identity` may call the method.
    #[must_use]
    pub fn lets_in(&self, identity: Identity) -> bool {
        self.callers.contains(&identity)
    }
}

/// Returns the row of a path such as `/lanesync.auth.v1.TokenService/GetAccessToken`; there is none for what is no method.
#[must_use]
pub fn row_of(path: &str) -> Option<&'static Row> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    TABLE.iter().find(|row| row.service == service && row.method == method)
}

macro_rules! table {
    ($($service:literal { $($method:ident: [$($caller:expr),+];)+ })+) => {
        /// Every method that a server of ours answers, and who may call it.
        pub const TABLE: &[Row] = &[$($(
            Row { service: $service, method: stringify!($method), callers: &[$($caller),+] },
        )+)+];
    };
}

table! {
    "lanesync.admin.v1.WorkspaceStateService" {
        SetWorkspaceState: [Auth];
    }
    "lanesync.auth.v1.WorkspaceService" {
        CreateWorkspace: [Lane, Operator];
        GetWorkspace: [Extractor, Console, Lane, Operator];
        ListWorkspaces: [Console, Lane, Operator];
        SetWorkspacePlan: [Lane, Operator];
    }
    "lanesync.auth.v1.ConnectionService" {
        AuthorizeConnection: [Console, Operator];
        CompleteAuthorization: [Console, Operator];
        ConnectClientCredentials: [Operator];
        GetConnection: [Extractor, Console, Operator];
        ListConnections: [Operator];
        UpdateStartDate: [Console, Operator];
        DisconnectConnection: [Console, Operator];
    }
    // The one that hands out access to Salesforce.
    "lanesync.auth.v1.TokenService" {
        GetAccessToken: [Extractor];
    }
    "lanesync.extractor.v1.SchemaService" {
        DescribeObject: [Mapper, Operator];
    }
    "lanesync.extractor.v1.AccessService" {
        GetAccessReport: [Console, Operator];
        SampleFields: [Console, Operator];
    }
    "lanesync.extractor.v1.SyncService" {
        StartSync: [Console, Operator];
        CancelSyncRun: [Console, Operator];
        GetSyncRun: [Console, Operator];
        ListSyncRuns: [Console, Operator];
        GetSyncStatus: [Console, Lane, Operator];
        WatchSyncStatus: [Console, Lane, Operator];
        EstimateSync: [Console, Operator];
        EstimateStartDates: [Console, Operator];
        RefetchRecords: [Console, Operator];
        UpdateSchedule: [Console, Operator];
        GetApiBudget: [Console, Operator];
        UpdateApiBudget: [Console, Operator];
    }
    "lanesync.mapper.v1.MappingService" {
        ListLaneFields: [Console, Operator];
        CreateCustomField: [Console, Operator];
        UpdateOptions: [Console, Operator];
        GetFieldMapping: [Extractor, Console, Operator];
        UpdateFieldMapping: [Console, Operator];
        SuggestFieldMappings: [Extractor, Console, Operator];
        ListCandidateFields: [Console, Operator];
        ListValueMappings: [Console, Operator];
        BatchUpdateValueMappings: [Console, Operator];
        ListUnmappedValues: [Operator];
        CountUnmappedValues: [Extractor, Console, Operator];
        GetReplay: [Extractor, Console, Operator];
        StartReplay: [Console, Operator];
    }
    "lanesync.mapper.v1.RecordService" {
        PreviewRecord: [Console, Operator];
        GetFieldStory: [Console, Operator];
        ListOverwrittenValues: [Console, Operator];
    }
    "lanesync.mapper.v1.ReadPlanService" {
        GetReadPlan: [Extractor];
        MarkFieldsRead: [Extractor];
    }
    "lanesync.mapper.v1.ErasureService" {
        EraseSourceRecords: [Writer];
    }
    "lanesync.writer.v1.CustomerService" {
        ListCustomers: [Console, Lane, Operator];
        GetCustomer: [Console, Lane, Operator];
        CreateCustomer: [Console, Lane, Operator];
        UpdateCustomer: [Console, Lane, Operator];
        ListContacts: [Console, Lane, Operator];
        GetContact: [Console, Lane, Operator];
        CreateContact: [Console, Lane, Operator];
        UpdateContact: [Console, Lane, Operator];
        ListCustomerChanges: [Lane, Operator];
        EraseRecord: [Operator];
    }
    "lanesync.writer.v1.ApplyService" {
        SetMapping: [Mapper];
        ListAppliedChunks: [Extractor, Mapper];
        ListUnseenRecords: [Extractor];
        ListAccountContacts: [Extractor];
        GetCounts: [Extractor, Console];
    }
    "lanesync.writer.v1.StandingService" {
        ListStandingValues: [Mapper];
        PreviewDisconnect: [Console, Operator];
    }
    "lanesync.writer.v1.HistoryService" {
        GetHistory: [Console, Operator];
    }
    "lanesync.writer.v1.ParkedService" {
        ListParkedRecords: [Console, Operator];
        GroupParkedRecords: [Console, Operator];
        RequeueParkedRecords: [Console, Operator];
    }
    "lanesync.status.v1.StatusService" {
        GetServiceStatus: [Console, Operator];
        WatchServiceStatus: [Console, Operator];
    }
    // Whoever may call anything may ask whether there is anybody. Probes ask on a port of their own.
    "grpc.health.v1.Health" {
        Check: [Auth, Extractor, Mapper, Writer, Console, Lane, Operator];
        Watch: [Auth, Extractor, Mapper, Writer, Console, Lane, Operator];
    }
    "grpc.reflection.v1.ServerReflection" {
        ServerReflectionInfo: [Operator];
    }
    "grpc.reflection.v1alpha.ServerReflection" {
        ServerReflectionInfo: [Operator];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The paths of all methods of ours, from the descriptors.
    fn described() -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let services = set.file.into_iter().flat_map(|file| {
            let package = file.package().to_owned();
            file.service.into_iter().map(move |service| (package.clone(), service))
        });
        let methods = services.flat_map(|(package, service)| {
            let name = format!("/{package}.{}", service.name());
            service.method.into_iter().map(move |method| format!("{name}/{}", method.name()))
        });
        methods.collect()
    }

    #[test]
    fn every_method_has_its_one_row_and_every_row_its_method() {
        let ours = TABLE.iter().filter(|row| row.service.starts_with("lanesync."));
        let rows: Vec<_> = ours.map(Row::path).collect();
        let distinct: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(distinct.len(), rows.len(), "a method has two rows");
        assert!(distinct.len() > 60, "{}", distinct.len());
        assert_eq!(distinct, described());
    }

    #[test]
    fn a_row_is_found_by_the_path_of_its_method_and_by_no_other() {
        for row in TABLE {
            assert_eq!(row_of(&row.path()), Some(row));
        }
        for path in [
            "",
            "/",
            "lanesync.auth.v1.TokenService/GetAccessToken",
            "/lanesync.auth.v1.TokenService",
            "/lanesync.auth.v1.TokenService/",
            "/lanesync.auth.v1.TokenService/GetAccessToken/",
            "//lanesync.auth.v1.TokenService/GetAccessToken",
        ] {
            assert_eq!(row_of(path), None, "{path}");
        }
    }

    #[test]
    fn access_to_salesforce_is_handed_to_the_extractor_alone() {
        let row = row_of("/lanesync.auth.v1.TokenService/GetAccessToken").unwrap();
        assert_eq!(row.callers, [Extractor]);
    }

    #[test]
    fn an_identity_is_named_by_its_whole_uri_and_by_nothing_like_it() {
        for identity in Identity::ALL {
            assert_eq!(Identity::from_uri(identity.uri()), Some(identity));
        }
        for uri in [
            "",
            "auth",
            "spiffe://lanesync/",
            "spiffe://lanesync/auth/",
            "spiffe://lanesync/AUTH",
            "spiffe://elsewhere/auth",
            "spiffe://lanesync.example/auth",
            "https://lanesync/auth",
        ] {
            assert_eq!(Identity::from_uri(uri), None, "{uri}");
        }
    }
}
