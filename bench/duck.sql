-- What one pass of credtrail's summary writes, in DuckDB: sightings, issued keys, changes of the
-- ledger. Columns, names and rules are those of transforms/summary.py for EC2 instances. Three
-- things are easier here than there: addresses are taken for canonical where their syntax is
-- right, changes are not taken apart, and neither inventory nor counts per file are made.

CREATE MACRO is_service(text) AS regexp_full_match(
    text, '([a-z0-9-]+\.)+(amazonaws\.com(\.cn)?|amazonaws\.eu|aws\.internal|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)', 'i');

CREATE MACRO is_endpoint(id) AS coalesce(regexp_full_match(id, 'vpce-[0-9a-f]{1,32}', 'i'), false);

CREATE MACRO address(text) AS CASE
    WHEN regexp_full_match(text, '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}')
        AND NOT regexp_matches(text, '^(0\.0\.0\.0$|255\.255\.255\.255$|22[4-9]\.|23\d\.)') THEN text
    WHEN regexp_full_match(text, '[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}', 'i') THEN lower(text) END;

CREATE MACRO canonical(text, endpoint) AS CASE
    WHEN address(text) IS NOT NULL AND is_endpoint(endpoint) THEN lower(endpoint) || '/' || address(text)
    WHEN address(text) IS NOT NULL THEN address(text)
    WHEN regexp_full_match(text, 'aws[\s_-]*internal(\s*/.*)?', 'i') THEN 'AWS Internal'
    WHEN is_service(text) THEN lower(text)
    ELSE coalesce(nullif(left(text, 128), ''), '(none)') END;

CREATE MACRO kind_of(text, endpoint) AS CASE
    WHEN address(text) IS NOT NULL AND is_endpoint(endpoint) THEN 'endpoint'
    WHEN regexp_matches(address(text), '^(10\.|192\.168\.|169\.254\.|127\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)') THEN 'private'
    WHEN contains(address(text), ':') THEN 'public_ipv6'
    WHEN address(text) IS NOT NULL THEN 'public_ipv4'
    WHEN regexp_full_match(text, 'aws[\s_-]*internal(\s*/.*)?', 'i') THEN 'internal'
    WHEN is_service(text) THEN 'service'
    ELSE 'unreadable' END;

CREATE MACRO family(agent) AS coalesce(lower(left(regexp_replace(nullif(regexp_extract(
    agent, '^[\[\s]*(?:aws-sdk-go/\S+ \([^)]*\) |apn/\S+ (?:\S+ )?)?(aws internal|[^\s/\[\](;,]+)', 1, 'i'), ''),
    '(.)[-_]?(v?[0-9]+\.[0-9]|[0-9a-f]{8}-[0-9a-f]{4}-).*', '\1', 'i'), 40)), '(none)');

CREATE MACRO is_sdk(agent) AS coalesce(regexp_matches(
    agent, '(^|[^a-z0-9-])(boto3?|botocore|aws-(sdk-[a-z0-9-]+|cli|chalice|internal|tools[a-z-]*)|awspowershell[a-z.]*|rusoto|apn)([/ ;#\]]|$)', 'i'), false);

CREATE MACRO is_instance(name) AS starts_with(name, 'i-') AND regexp_full_match(name, 'i-[0-9a-f]{8,17}');

CREATE VIEW records AS
SELECT
    eventid, eventname, eventsource, awsregion, useragent, errorcode, errormessage, eventcategory,
    requestparameters, responseelements, additionaleventdata, recipientaccountid,
    sessioncredentialfromconsole, tlsdetails.tlsversion AS tls, tlsdetails IS NOT NULL AS has_tls,
    trim(sourceipaddress) AS place, vpcendpointid, vpcendpointaccountid, filename,
    eventtime::TIMESTAMP AS event_time,
    useridentity.type AS type, useridentity.arn AS arn, useridentity.principalid AS principal,
    useridentity.accountid AS accountid, useridentity.accesskeyid AS key,
    useridentity.invokedby AS invokedby,
    useridentity.sessioncontext.sessionissuer.arn AS issuer_arn,
    useridentity.sessioncontext.sessionissuer.principalid AS issuer_principal,
    useridentity.sessioncontext.sessionissuer.accountid AS issuer_account,
    useridentity.sessioncontext.attributes.creationdate::TIMESTAMP AS issued,
    useridentity.sessioncontext.ec2roledelivery AS delivery,
    coalesce(useridentity.inscopeof.issuertype = 'AWS::EC2::Instance'
        AND useridentity.inscopeof.credentialsissuedto LIKE 'arn:%:ec2:%:instance/%', false) AS in_scope,
    useridentity.inscopeof.credentialsissuedto AS issued_to
FROM read_parquet($input, hive_partitioning = false);

CREATE VIEW named AS
SELECT *,
    coalesce(arn LIKE '%:assumed-role/%/%', false) AS by_arn,
    CASE WHEN by_arn THEN split_part(arn, '/', 2) END AS role_name,
    CASE WHEN by_arn THEN split_part(arn, '/', -1)
        WHEN contains(principal, ':') THEN split_part(principal, ':', -1) END AS name,
    coalesce(CASE WHEN by_arn THEN split_part(arn, ':', 5) END, accountid, issuer_account) AS owner,
    CASE WHEN coalesce(starts_with(role_name, 'aws:'), false)
            OR coalesce(principal LIKE '%:aws:ec2-%', false) THEN NULL
        WHEN role_name = 'AWSSystemsManagerDefaultEC2InstanceManagementRole' THEN NULL
        WHEN in_scope THEN 'in_scope_of'
        WHEN is_instance(name) AND delivery IS NOT NULL THEN 'delivery'
        WHEN is_instance(name) THEN coalesce(key, 'unknown key') END AS proof,
    (by_arn OR coalesce(type = 'AssumedRole', false))
        AND proof IS NOT NULL AND name IS NOT NULL AND owner IS NOT NULL AS judged,
    coalesce(issuer_principal, nullif(split_part(principal, ':', 1), '')) AS role_id
FROM records;

CREATE VIEW grouped AS
SELECT
    owner AS account_id, role_id,
    coalesce(issuer_arn, 'arn:' || split_part(arn, ':', 2) || ':iam::' || owner || ':role/' || role_name) AS role_arn,
    name AS session_name,
    CASE WHEN in_scope THEN split_part(issued_to, '/', -1) ELSE name END AS instance_id,
    CASE WHEN in_scope THEN nullif(split_part(issued_to, ':', 4), '') END AS instance_region,
    proof, place, vpcendpointid AS endpoint,
    CASE WHEN vpcendpointid IS NOT NULL THEN vpcendpointaccountid END AS vpc_endpoint_account_id,
    CASE WHEN vpcendpointid IS NOT NULL THEN awsregion END AS endpoint_region,
    recipientaccountid AS recipient_account_id,
    CASE WHEN NOT has_tls AND is_service(trim(invokedby)) AND lower(trim(invokedby)) <> 'signin.amazonaws.com'
        THEN lower(trim(invokedby)) END AS invoked_by,
    coalesce(CASE
        WHEN eventname = 'GetCallerIdentity' AND eventsource = 'sts.amazonaws.com' THEN NOT is_sdk(useragent)
        WHEN eventsource = 's3.amazonaws.com' AND eventname IN ('GetObject', 'HeadObject', 'PutObject', 'UploadPart')
            THEN contains(additionaleventdata, '"AuthenticationMethod":"QueryString"') END, false) AS forwarded,
    family(useragent) AS agent_family,
    epoch(event_time)::BIGINT // 21600 AS bucket,
    min(event_time) AS first_seen, max(event_time) AS last_seen, count(*) AS calls, count(errorcode) AS errors,
    min(issued) AS issued_min, max(issued) AS issued_max,
    max(epoch(event_time)::BIGINT - epoch(issued)::BIGINT) AS key_age_max,
    bit_or(CASE WHEN starts_with(delivery, '1') THEN 1 WHEN starts_with(delivery, '2') THEN 2 ELSE 4 END) AS delivery,
    bit_or(CASE WHEN eventname IN ('GetSigninToken', 'ConsoleLogin')
                OR lower(sessioncredentialfromconsole) = 'true' THEN 1 ELSE 0 END
        | CASE WHEN eventname IN ('StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors',
                'AssociateAddress') THEN 2 ELSE 0 END
        | CASE WHEN eventname = 'AssumeRole' AND errorcode IS NULL THEN 4 ELSE 0 END
        | CASE WHEN tls IS NULL THEN 64 WHEN ends_with(tls, '1.3') THEN 32
                WHEN ends_with(tls, '1.2') THEN 16 ELSE 8 END
        | CASE WHEN eventcategory = 'Data' THEN 128 ELSE 0 END) AS marks,
    min(CASE WHEN eventname IN ('ListBuckets', 'ListRoles', 'ListUsers', 'ListAccessKeys',
        'ListAttachedRolePolicies', 'ListSecrets', 'ListFunctions', 'GetAccountAuthorizationDetails',
        'GetAccountSummary', 'DescribeInstances', 'DescribeSnapshots', 'DescribeSecurityGroups',
        'DescribeOrganization', 'ListAccounts') THEN event_time END) AS first_recon,
    bit_or(1::BIGINT << (hash(filename) % 63)::INTEGER) AS file_bits
FROM named WHERE judged
GROUP BY ALL;

COPY (
    SELECT * EXCLUDE (place, endpoint, bucket),
        to_timestamp(bucket * 21600)::TIMESTAMP AS bucket,
        canonical(place, endpoint) AS source, kind_of(place, endpoint) AS source_kind,
        address(place) AS source_address,
        CASE WHEN kind_of(place, endpoint) = 'endpoint' THEN lower(endpoint) END AS vpc_endpoint_id
    FROM grouped
) TO $sightings (FORMAT parquet, COMPRESSION zstd);

COPY (
    SELECT eventid AS event_id,
        responseelements ->> '$.credentials.accessKeyId' AS access_key_id,
        requestparameters ->> '$.roleArn' AS role_arn,
        split_part(role_arn, ':', 5) AS account_id,
        requestparameters ->> '$.roleSessionName' AS session_name,
        CASE WHEN coalesce(type, 'AWSService') = 'AWSService'
            AND lower(invokedby) IN ('ec2.amazonaws.com', 'ec2.amazonaws.com.cn') THEN 'ec2' END AS issued_for,
        coalesce(lower(invokedby), arn, principal) AS issued_by,
        CASE WHEN judged THEN owner END AS issued_by_account_id,
        CASE WHEN judged THEN role_id END AS issued_by_role_id,
        CASE WHEN judged THEN name END AS issued_by_session_name,
        key AS issued_by_key, canonical(place, vpcendpointid) AS issued_from, event_time AS issued_at,
        try_strptime(replace(responseelements ->> '$.credentials.expiration', ',', ''), '%b %-d %Y %-I:%M:%S %p') AS expires_at,
        awsregion AS aws_region
    FROM named
    WHERE eventname = 'AssumeRole' AND eventsource = 'sts.amazonaws.com'
        AND errorcode IS NULL AND errormessage IS NULL
        AND (is_instance(requestparameters ->> '$.roleSessionName') OR judged)
) TO $credentials (FORMAT parquet, COMPRESSION zstd);

COPY (
    SELECT eventid AS event_id, event_time, eventname AS event_name,
        coalesce(recipientaccountid, accountid) AS account_id, awsregion AS aws_region,
        coalesce(arn, principal, invokedby) AS made_by,
        CASE WHEN judged THEN owner END AS made_by_account_id,
        CASE WHEN judged THEN role_id END AS made_by_role_id,
        CASE WHEN judged THEN name END AS made_by_session_name,
        canonical(place, vpcendpointid) AS made_from, key AS made_with_key,
        requestparameters AS request_parameters, responseelements AS response_elements
    FROM named
    WHERE eventsource = 'ec2.amazonaws.com' AND errorcode IS NULL AND errormessage IS NULL
        AND eventname IN ($calls)
) TO $changes (FORMAT parquet, COMPRESSION zstd);
