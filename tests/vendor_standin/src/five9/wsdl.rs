//! The descriptions of the two services: the parts of them that the stand-in serves.
//!
//! That of the Statistics Web Services is not public; it is written down from the examples of the vendor's guide.

use std::fmt::Write;

/// A field: a name, a type and how often it occurs.
type Field = (&'static str, &'static str, &'static str);

/// An operation with its request's children and its response's.
type Operation = (&'static str, &'static [Field], &'static [Field]);

type Named<T> = (&'static str, T);

/// What a description holds.
struct Service {
    name: &'static str,
    port: &'static str,
    port_type: &'static str,
    operations: &'static [Operation],
    types: &'static [Named<&'static [Field]>],
    enums: &'static [Named<&'static str>],
    faults: &'static [Named<&'static [Field]>],
}

const ADMIN: Service = Service {
    name: "WsAdminService",
    port: "WsAdminPort",
    port_type: "WsAdmin",
    operations: &OPERATIONS,
    types: &TYPES,
    enums: &ENUMS,
    faults: &FAULTS,
};

const SUPERVISOR: Service = Service {
    name: "WsSupervisorService",
    port: "WsSupervisorPort",
    port_type: "WsSupervisor",
    operations: &[
        ("setSessionParameters", &[("viewSettings", "tns:viewSettings", "?")], &[("return", "tns:viewSettings", "?")]),
        ("getColumnNames", &[STATISTIC_TYPE], &[("return", "tns:row", "?")]),
        ("getStatistics", &[STATISTIC_TYPE, ("columnNames", "tns:row", "?")], &[("return", "tns:statistics", "?")]),
        (
            "getStatisticsUpdate",
            &[STATISTIC_TYPE, ("previousTimestamp", "xs:long", ""), ("longPollingTimeout", "xs:long", "")],
            &[("return", "tns:statisticsUpdate", "?")],
        ),
    ],
    types: &[
        (
            "viewSettings",
            &[
                ("appType", "xs:string", "?"),
                ("forceLogoutSession", "xs:boolean", ""),
                ("idleTimeOut", "xs:int", "?"),
                ("rollingPeriod", "xs:string", "?"),
                ("shiftStart", "xs:int", ""),
                ("statisticsRange", "xs:string", "?"),
                ("timeZone", "xs:int", ""),
            ],
        ),
        ("row", &[("values", "tns:data", "?")]),
        ("data", &[("data", "xs:string", "*")]),
        (
            "statistics",
            &[
                ("columns", "tns:row", "?"),
                ("rows", "tns:row", "*"),
                ("timestamp", "xs:long", ""),
                ("type", "xs:string", "?"),
            ],
        ),
        (
            "statisticsUpdate",
            &[
                ("addedObjects", "tns:row", "?"),
                ("dataUpdate", "tns:dataUpdate", "*"),
                ("deletedObjects", "tns:row", "?"),
                ("lastTimestamp", "xs:long", ""),
                ("previousTimestamp", "xs:long", ""),
                ("type", "xs:string", "?"),
            ],
        ),
        (
            "dataUpdate",
            &[("columnName", "xs:string", "?"), ("columnValue", "xs:string", "?"), ("objectName", "xs:string", "?")],
        ),
    ],
    enums: &[],
    faults: &[
        ("SessionNotInitialized", MESSAGE),
        ("StatisticsNotRequested", MESSAGE),
        ("UnknownColumn", MESSAGE),
        ("UnknownTimestamp", MESSAGE),
        ("SessionClosed", MESSAGE),
        ("UserAlreadyLoggedIn", MESSAGE),
        ("IncorrectArgument", MESSAGE),
        ("MissedArgument", MESSAGE),
        ("ServiceUnavailable", MESSAGE),
        ("Server", MESSAGE),
        (
            "OperationsLimitExceeded",
            &[("limit", "xs:long", "?"), ("message", "xs:string", "?"), ("operationType", "xs:string", "?")],
        ),
    ],
};

const STATISTIC_TYPE: Field = ("statisticType", "xs:string", "?");

const OPERATIONS: [Operation; 11] = [
    (
        "runReport",
        &[
            ("folderName", "xs:string", "?"),
            ("reportName", "xs:string", "?"),
            ("criteria", "tns:customReportCriteria", "?"),
        ],
        &[("return", "xs:string", "?")],
    ),
    (
        "isReportRunning",
        &[("identifier", "xs:string", "?"), ("timeout", "xs:long", "")],
        &[("return", "xs:boolean", "")],
    ),
    ("getReportResult", &[("identifier", "xs:string", "?")], &[("return", "tns:reportRowData", "?")]),
    ("getReportResultCsv", &[("identifier", "xs:string", "?")], &[("return", "xs:string", "?")]),
    ("getCallCountersState", &[], &[("return", "tns:limitTimeoutState", "*")]),
    ("getSkills", &[("skillNamePattern", "xs:string", "?")], &[("return", "tns:skill", "*")]),
    (
        "getCampaigns",
        &[("campaignNamePattern", "xs:string", "?"), ("campaignType", "tns:campaignType", "?")],
        &[("return", "tns:campaign", "*")],
    ),
    ("getUsersGeneralInfo", &[("userNamePattern", "xs:string", "?")], &[("return", "tns:userGeneralInfo", "*")]),
    (
        "getReasonCodeByType",
        &[("reasonCodeName", "xs:string", "?"), ("type", "tns:reasonCodeType", "?")],
        &[("return", "tns:reasonCode", "*")],
    ),
    ("getVCCConfiguration", &[], &[("return", "tns:vccConfiguration", "?")]),
    ("closeSession", &[], &[]),
];

const TYPES: [Named<&[Field]>; 13] = [
    (
        "customReportCriteria",
        &[("reportObjects", "tns:reportObjectList", "*"), ("time", "tns:reportTimeCriteria", "?")],
    ),
    ("reportTimeCriteria", &[("end", "xs:dateTime", "?"), ("start", "xs:dateTime", "?")]),
    ("reportObjectList", &[("objectNames", "xs:string", "*"), ("objectType", "tns:wsObjectType", "?")]),
    ("reportRowData", &[("header", "tns:record", "?"), ("records", "tns:record", "*")]),
    ("record", &[("values", "tns:data", "?")]),
    ("data", &[("data", "xs:string", "*")]),
    ("limitTimeoutState", &[("callCounterStates", "tns:callCounterState", "*"), ("timeout", "xs:long", "")]),
    (
        "callCounterState",
        &[("limit", "xs:long", ""), ("operationType", "tns:apiOperationType", "?"), ("value", "xs:long", "")],
    ),
    (
        "skill",
        &[
            ("description", "xs:string", "?"),
            ("id", "xs:long", "?"),
            ("messageOfTheDay", "xs:string", "?"),
            ("name", "xs:string", "?"),
            ("routeVoiceMails", "xs:boolean", "?"),
        ],
    ),
    (
        "campaign",
        &[
            ("description", "xs:string", "?"),
            ("mode", "xs:string", "?"),
            ("name", "xs:string", "?"),
            ("profileName", "xs:string", "?"),
            ("state", "xs:string", "?"),
            ("trainingMode", "xs:boolean", "?"),
            ("type", "tns:campaignType", "?"),
        ],
    ),
    (
        "userGeneralInfo",
        &[
            ("active", "xs:boolean", "?"),
            ("canChangePassword", "xs:boolean", "?"),
            ("EMail", "xs:string", "?"),
            ("extension", "xs:string", "?"),
            ("federationId", "xs:string", "?"),
            ("firstName", "xs:string", "?"),
            ("fullName", "xs:string", "?"),
            ("IEXScheduled", "xs:boolean", "?"),
            ("id", "xs:long", "?"),
            ("lastName", "xs:string", "?"),
            ("locale", "xs:string", "?"),
            ("startDate", "xs:dateTime", "?"),
            ("userName", "xs:string", "?"),
            ("userProfileName", "xs:string", "?"),
        ],
    ),
    (
        "reasonCode",
        &[
            ("enabled", "xs:boolean", "?"),
            ("name", "xs:string", "?"),
            ("paidTime", "xs:boolean", "?"),
            ("shortcut", "xs:int", "?"),
            ("type", "tns:reasonCodeType", "?"),
        ],
    ),
    ("vccConfiguration", &[("domainId", "xs:string", "?"), ("domainName", "xs:string", "?")]),
];

const ENUMS: [Named<&str>; 4] = [
    (
        "wsObjectType",
        "AgentGroup Campaign CampaignProfile CrmField Disposition List Prompt ReasonCode Skill User UserProfile IvrScript \
         CallVariableGroup CallVariable Connector",
    ),
    (
        "apiOperationType",
        "Query Modify Upload SingleUpload AsynchronousUpload Web2CampaignUpload RetrieveReport ReportRequest \
         QueryStatistics QueryChangedStatistics VIVRCreateSession",
    ),
    ("campaignType", "OUTBOUND AUTODIAL INBOUND"),
    ("reasonCodeType", "NotReady Logout"),
];

const FAULTS: [Named<&[Field]>; 14] = [
    ("AccessDisallowed", MESSAGE),
    ("AdminSessionClosed", MESSAGE),
    ("SessionClosed", MESSAGE),
    ("UserAlreadyLoggedIn", MESSAGE),
    ("InvalidAccount", MESSAGE),
    ("MissedArgument", MESSAGE),
    ("IncorrectArgument", MESSAGE),
    ("UnknownIdentifier", MESSAGE),
    ("ResultIsNotReady", MESSAGE),
    ("ServiceUnavailable", MESSAGE),
    ("Server", MESSAGE),
    (
        "ReportNotFound",
        &[("folder", "xs:string", "?"), ("message", "xs:string", "?"), ("reportName", "xs:string", "?")],
    ),
    (
        "ObjectNotFound",
        &[
            ("id", "xs:long", "?"),
            ("message", "xs:string", "?"),
            ("objectName", "xs:string", "?"),
            ("objectType", "tns:wsObjectType", "?"),
        ],
    ),
    (
        "OperationsLimitExceeded",
        &[("limit", "xs:long", "?"), ("message", "xs:string", "?"), ("operationType", "tns:apiOperationType", "?")],
    ),
];

const MESSAGE: &[Field] = &[("message", "xs:string", "?")];

/// The document, with the address at which the stand-in was asked.
pub(super) fn text(is_admin: bool, namespace: &str, address: &str) -> String {
    let Service { name: service, port, port_type, operations, types, enums, faults } =
        if is_admin { ADMIN } else { SUPERVISOR };
    let binding = format!("{service}SoapBinding");
    let mut text = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<wsdl:definitions name=\"{service}\" targetNamespace=\"{namespace}\" \
         xmlns:tns=\"{namespace}\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\">\n\
         <wsdl:types><xs:schema elementFormDefault=\"unqualified\" targetNamespace=\"{namespace}\" version=\"1.0\">\n"
    );
    for (name, fields) in types {
        complex(&mut text, name, fields);
    }
    for (name, values) in enums {
        let _ = write!(text, "<xs:simpleType name=\"{name}\"><xs:restriction base=\"xs:string\">");
        for value in values.split_whitespace() {
            let _ = write!(text, "<xs:enumeration value=\"{value}\"/>");
        }
        text.push_str("</xs:restriction></xs:simpleType>\n");
    }
    for (name, request, response) in operations {
        top(&mut text, name, request);
        top(&mut text, &format!("{name}Response"), response);
    }
    for (name, fields) in faults {
        top(&mut text, &format!("{name}Fault"), fields);
    }
    text.push_str("</xs:schema></wsdl:types>\n");
    for (name, ..) in operations {
        message(&mut text, name, "parameters", name);
        let response = format!("{name}Response");
        message(&mut text, &response, "parameters", &response);
    }
    for (name, _) in faults {
        message(&mut text, &format!("{name}Exception"), "fault", &format!("{name}Fault"));
    }
    let _ = writeln!(text, "<wsdl:portType name=\"{port_type}\">");
    for (name, ..) in operations {
        let _ = write!(
            text,
            "<wsdl:operation name=\"{name}\"><wsdl:input message=\"tns:{name}\" name=\"{name}\"/>\
             <wsdl:output message=\"tns:{name}Response\" name=\"{name}Response\"/>"
        );
        for (fault, _) in faults {
            let _ = write!(text, "<wsdl:fault message=\"tns:{fault}Exception\" name=\"{fault}Exception\"/>");
        }
        text.push_str("</wsdl:operation>\n");
    }
    let _ = writeln!(
        text,
        "</wsdl:portType>\n<wsdl:binding name=\"{binding}\" type=\"tns:{port_type}\">\
         <soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>",
    );
    for (name, ..) in operations {
        let _ = write!(
            text,
            "<wsdl:operation name=\"{name}\"><soap:operation soapAction=\"\" style=\"document\"/>\
             <wsdl:input name=\"{name}\"><soap:body use=\"literal\"/></wsdl:input>\
             <wsdl:output name=\"{name}Response\"><soap:body use=\"literal\"/></wsdl:output>"
        );
        for (fault, _) in faults {
            let _ = write!(
                text,
                "<wsdl:fault name=\"{fault}Exception\"><soap:fault name=\"{fault}Exception\" use=\"literal\"/></wsdl:fault>"
            );
        }
        text.push_str("</wsdl:operation>\n");
    }
    let _ = write!(
        text,
        "</wsdl:binding>\n<wsdl:service name=\"{service}\"><wsdl:port binding=\"tns:{binding}\" \
         name=\"{port}\"><soap:address location=\"{address}\"/></wsdl:port></wsdl:service>\n</wsdl:definitions>\n"
    );
    text
}

fn top(text: &mut String, name: &str, fields: &[Field]) {
    let _ = write!(text, "<xs:element name=\"{name}\" type=\"tns:{name}\"/>");
    complex(text, name, fields);
}

fn complex(text: &mut String, name: &str, fields: &[Field]) {
    let _ = write!(text, "<xs:complexType name=\"{name}\"><xs:sequence>");
    for (name, kind, occurs) in fields {
        let occurs = match *occurs {
            "?" => " minOccurs=\"0\"",
            "*" => " maxOccurs=\"unbounded\" minOccurs=\"0\" nillable=\"true\"",
            _ => "",
        };
        let _ = write!(text, "<xs:element{occurs} name=\"{name}\" type=\"{kind}\"/>");
    }
    text.push_str("</xs:sequence></xs:complexType>\n");
}

fn message(text: &mut String, name: &str, part: &str, element: &str) {
    let _ = writeln!(
        text,
        "<wsdl:message name=\"{name}\"><wsdl:part element=\"tns:{element}\" name=\"{part}\"/></wsdl:message>"
    );
}
